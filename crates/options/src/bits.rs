//! Names of flowbits, interned so that a unit compares numbers.

use std::collections::HashMap;

/// Interner of flowbit names. Ids survive a swap of rule sets: the new set is compiled with the
/// [`BitNames::successor`] of the old one's.
#[derive(Clone, Debug, Default)]
pub struct BitNames {
    ids: HashMap<String, u32>,
    groups: HashMap<String, Vec<u32>>,
}

impl BitNames {
    /// The id of a name, new if unseen.
    pub fn intern(&mut self, name: &str) -> u32 {
        let next = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        *self.ids.entry(name.to_owned()).or_insert(next)
    }

    /// For the next rule set: the same ids for the same names. Groups are defined anew by its rules.
    pub fn successor(&self) -> Self {
        Self { ids: self.ids.clone(), groups: HashMap::new() }
    }

    /// Notes that a bit belongs to a Snort 2.9 group.
    pub fn join(&mut self, group: &str, bit: u32) {
        let members = self.groups.entry(group.to_owned()).or_default();
        if !members.contains(&bit) {
            members.push(bit);
        }
    }

    /// Members of a group so far.
    pub fn group(&self, group: &str) -> &[u32] {
        self.groups.get(group).map_or(&[], Vec::as_slice)
    }
}
