//! Conversations that could not be inspected, or not wholly: by the endpoint whose traffic it is, by reason, by service and port.
//!
//! The counters of the catalogue say how much there is of each; this says where. *Limits*: [`MOST`] rows are told apart by
//! service and port; what is beyond counts in a row of its endpoint and reason, of which there are few. Endpoints that nobody
//! watches any more are forgotten when the owner says so ([`Coverage::keep`]).

use std::collections::BTreeMap;

/// Rows that are told apart by service and port.
const MOST: usize = 256;

/// Why a conversation could not be inspected, or not wholly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blind {
    /// It is encrypted from some point on.
    Encrypted,
    /// Its beginning was not seen.
    Midstream,
    /// Bytes of it were never seen.
    Gap,
    /// Its inspector gave a direction up, at a gap or at a limit; the rest was inspected as plain bytes.
    GivenUp,
    /// It was ended to make room for others.
    Shed,
}

impl Blind {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::Midstream => "midstream",
            Self::Gap => "gap",
            Self::GivenUp => "given_up",
            Self::Shed => "shed",
        }
    }
}

/// Conversations that have this in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Whose traffic it is, as told to [`crate::Worker::process`].
    pub endpoint: u32,
    /// Why.
    pub blind: Blind,
    /// What was spoken, if it was recognised by then.
    pub service: Option<&'static str>,
    /// Port of the server; `None`: no port, or one of many.
    pub port: Option<u16>,
}

/// See the module. Counts are since the start.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    flows: BTreeMap<u32, u64>,
    spots: BTreeMap<Spot, u64>,
}

impl Coverage {
    /// Conversations of an endpoint, the ones that could be inspected included.
    pub fn flows(&self) -> impl Iterator<Item = (u32, u64)> {
        self.flows.iter().map(|(endpoint, count)| (*endpoint, *count))
    }

    /// Those that could not, or not wholly.
    pub fn spots(&self) -> impl Iterator<Item = (&Spot, u64)> {
        self.spots.iter().map(|(spot, count)| (spot, *count))
    }

    /// Forgets the endpoints that are not wanted.
    pub fn keep(&mut self, wanted: impl Fn(u32) -> bool) {
        self.flows.retain(|endpoint, _| wanted(*endpoint));
        self.spots.retain(|spot, _| wanted(spot.endpoint));
    }

    pub(crate) fn flow(&mut self, endpoint: u32) {
        *self.flows.entry(endpoint).or_default() += 1;
    }

    pub(crate) fn note(&mut self, mut spot: Spot) {
        if self.spots.len() >= MOST && !self.spots.contains_key(&spot) {
            (spot.service, spot.port) = (None, None);
        }
        *self.spots.entry(spot).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beyond_the_cap_count_in_a_row_of_their_reason() {
        let mut coverage = Coverage::default();
        let spot = |port| Spot { endpoint: 1, blind: Blind::Encrypted, service: Some("ssl"), port: Some(port) };
        for port in 0..2_000 {
            coverage.note(spot(port));
        }
        assert_eq!(coverage.spots().count(), MOST + 1);
        assert_eq!(coverage.spots().map(|(_, count)| count).sum::<u64>(), 2_000);
        let rest = Spot { service: None, port: None, ..spot(0) };
        assert_eq!(coverage.spots.get(&rest), Some(&(2_000 - MOST as u64)));
        coverage.flow(1);
        coverage.flow(2);
        coverage.keep(|endpoint| endpoint == 2);
        assert_eq!((coverage.spots().count(), coverage.flows().collect::<Vec<_>>()), (0, vec![(2, 1)]));
    }
}
