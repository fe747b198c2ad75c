//! From groups of a provider to what their members may do.

use crate::auth::{Reach, Realm};
use serde::Deserialize;
use serde_json::Value;

/// How much somebody may do; each includes what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// See alerts.
    Read,
    /// Decide about alerts.
    Act,
    /// Suppress.
    Tune,
}

/// What members of a group may do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// As in the provider's claim; `*`: everybody whom the provider knows.
    pub group: String,
    /// What.
    pub role: Role,
    /// In these namespaces; without them in all.
    #[serde(default)]
    pub namespaces: Option<Vec<String>>,
}

impl Grant {
    fn realm(&self) -> Realm {
        let here = match &self.namespaces {
            None => Reach::All,
            Some(some) => Reach::of(some.iter().cloned()),
        };
        let from = |role| if self.role >= role { here.clone() } else { Reach::nowhere() };
        Realm { read: from(Role::Read), act: from(Role::Act), tune: from(Role::Tune) }
    }
}

/// What all grants together give.
pub(super) fn realm(grants: &[Grant], groups: &[String]) -> Realm {
    let given = grants.iter().filter(|grant| grant.group == "*" || groups.contains(&grant.group));
    given.fold(Realm::nothing(), |all, grant| all.and(&grant.realm()))
}

/// The texts of a claim; its name may lead through objects: `realm_access.roles`.
pub(super) fn texts(claims: &Value, path: &str) -> Vec<String> {
    // A name with dots of its own (`https://example.com/groups`) goes before a path.
    let found = claims.get(path).or_else(|| path.split('.').try_fold(claims, |value, name| value.get(name)));
    match found {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn grants_add_up() {
        let grant = |group: &str, role, namespaces: Option<&[&str]>| Grant {
            group: group.into(),
            role,
            namespaces: namespaces.map(|some| some.iter().map(ToString::to_string).collect()),
        };
        let grants = [
            grant("shop", Role::Act, Some(&["shop"])),
            grant("ops", Role::Read, Some(&["ops"])),
            grant("sec", Role::Tune, None),
        ];
        let of = |groups: &[&str]| realm(&grants, &groups.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(of(&["other"]), Realm::nothing());
        let both = of(&["shop", "ops"]);
        assert!(both.read.has("shop") && both.read.has("ops") && !both.read.has("kube-system"));
        assert!(both.act.has("shop") && !both.act.has("ops") && both.tune.is_nowhere());
        assert_eq!(of(&["sec", "ops"]), Realm::everything());
        assert!(realm(&[grant("*", Role::Read, None)], &[]).can().read);
    }

    #[test]
    fn groups_are_found_where_providers_put_them() {
        let claims = json!({ "groups": ["a", 1, "b"], "one": "c", "realm_access": { "roles": ["d"] }, "x.y": ["e"] });
        assert_eq!(texts(&claims, "groups"), ["a", "b"]);
        assert_eq!(texts(&claims, "one"), ["c"]);
        assert_eq!(texts(&claims, "realm_access.roles"), ["d"]);
        assert_eq!(texts(&claims, "x.y"), ["e"]);
        assert!(texts(&claims, "none.at.all").is_empty());
    }
}
