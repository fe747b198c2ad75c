//! Address lists: `any`, addresses, networks, variables, lists, negation.
//!
//! A list is flattened to positive and negated networks; a double negation is positive. Networks
//! are merged, so that the result is disjoint and sorted. IPv4-mapped IPv6 addresses are IPv4.
//! Snort 3 manual: rule headers; Suricata user guide: rule format (ranges).

use super::{Fault, MAX_ITEMS, MAX_NESTING, Piece, Variables, inside, too_deep};
use crate::{Address, AddressItem, Dialect};
use std::net::{IpAddr, Ipv6Addr};

/// A list on the way.
#[derive(Clone, Debug, Default)]
pub(super) struct AddressSet {
    any: bool,
    positive: Vec<AddressItem>,
    negated: Vec<AddressItem>,
}

impl AddressSet {
    fn item(item: AddressItem) -> Self {
        Self { positive: vec![item], ..Self::default() }
    }

    fn negate(self, piece: Piece<'_>) -> Result<Self, Fault> {
        if self.any {
            return Err(Fault::new(piece, "R0203", "negation of `any` matches nothing")
                .help("EXTERNAL_NET = !$HOME_NET needs a HOME_NET other than `any`"));
        }
        Ok(Self { any: false, positive: self.negated, negated: self.positive })
    }

    fn add(&mut self, other: Self, piece: Piece<'_>) -> Result<(), Fault> {
        self.any |= other.any;
        self.positive.extend(other.positive);
        self.negated.extend(other.negated);
        if self.positive.len().saturating_add(self.negated.len()) > MAX_ITEMS {
            return Err(Fault::new(piece, "R0209", format!("list has more than {MAX_ITEMS} elements")));
        }
        Ok(())
    }

    /// Merges, checks for contradictions, and settles `any`.
    pub(super) fn finish(mut self, piece: Piece<'_>) -> Result<Address, Fault> {
        merge(&mut self.positive);
        merge(&mut self.negated);
        for positive in &self.positive {
            if covering(&self.negated, positive).is_some() {
                let text = format_item(*positive);
                return Err(Fault::new(piece, "R0204", format!("the list both contains and excludes {text}"))
                    .help("an exclusion must be narrower than what it is taken from"));
            }
        }
        let positive = if self.any { Vec::new() } else { self.positive };
        Ok(Address { positive, negated: self.negated })
    }
}

/// `network/prefix`, without the prefix for single addresses.
fn format_item(item: AddressItem) -> String {
    let bits = if item.network.is_ipv4() { 32 } else { 128 };
    match item.prefix {
        prefix if prefix == bits => item.network.to_string(),
        prefix => format!("{}/{prefix}", item.network),
    }
}

/// Sorts and drops networks that lie in others.
fn merge(items: &mut Vec<AddressItem>) {
    items.sort_by_key(|item| (item.network, item.prefix));
    items.dedup_by(|later, kept| contains(kept, later));
}

/// The network of a merged list that contains `item`: networks are nested or disjoint, so only the
/// last one that starts at or before it can.
fn covering<'a>(items: &'a [AddressItem], item: &AddressItem) -> Option<&'a AddressItem> {
    let after = items.partition_point(|other| other.network <= item.network);
    let last = items.get(after.checked_sub(1)?)?;
    contains(last, item).then_some(last)
}

fn contains(outer: &AddressItem, inner: &AddressItem) -> bool {
    outer.network.is_ipv4() == inner.network.is_ipv4()
        && outer.prefix <= inner.prefix
        && masked(inner.network, outer.prefix) == outer.network
}

/// The address with all bits behind the prefix cleared.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let host = 32_u32.saturating_sub(u32::from(prefix));
            IpAddr::V4((u32::from(v4) & u32::MAX.checked_shl(host).unwrap_or(0)).into())
        }
        IpAddr::V6(v6) => {
            let host = 128_u32.saturating_sub(u32::from(prefix));
            IpAddr::V6((u128::from(v6) & u128::MAX.checked_shl(host).unwrap_or(0)).into())
        }
    }
}

impl Variables {
    pub(super) fn address_set(
        &mut self,
        piece: Piece<'_>,
        dialect: Dialect,
        depth: usize,
    ) -> Result<AddressSet, Fault> {
        if depth > MAX_NESTING {
            return Err(too_deep(piece));
        }
        let (negated, element) = piece.negation();
        let set = if let Some(list) = element.list() {
            self.address_list(list, dialect, depth)?
        } else if let Some(name) = element.text.strip_prefix('$') {
            self.address_variable(element, name, dialect, depth)?
        } else if element.text == "any" {
            AddressSet { any: true, ..AddressSet::default() }
        } else {
            parse_items(element, dialect)?
        };
        if negated { set.negate(piece.trim()) } else { Ok(set) }
    }

    fn address_list(&mut self, list: Piece<'_>, dialect: Dialect, depth: usize) -> Result<AddressSet, Fault> {
        if list.text.trim().is_empty() {
            return Err(Fault::new(list, "R0205", "empty address list"));
        }
        let mut set = AddressSet::default();
        for element in list.elements() {
            if element.text.is_empty() {
                return Err(Fault::new(element, "R0205", "empty element in an address list"));
            }
            let part = self.address_set(element, dialect, depth.saturating_add(1))?;
            set.add(part, element)?;
        }
        Ok(set)
    }

    fn address_variable(
        &mut self,
        piece: Piece<'_>,
        name: &str,
        dialect: Dialect,
        depth: usize,
    ) -> Result<AddressSet, Fault> {
        if let Some(known) = self.addresses.get(name) {
            return known.clone().map_err(|fault| inside(piece, name, &fault));
        }
        let text = self.address_texts.get(name).or_else(|| self.plain_texts.get(name));
        let Some(text) = text.cloned() else { return Err(self.undefined(piece, name, false)) };
        let whole = Piece { text: &text, offset: 0 };
        let result = self.address_set(whole, dialect, depth.saturating_add(1));
        let result = result.map(|mut set| {
            // Merged early, or variables that double each other would grow without bound.
            merge(&mut set.positive);
            merge(&mut set.negated);
            set
        });
        // A fault of nesting depends on where the variable is used.
        if !matches!(&result, Err(fault) if fault.code == "R0209") {
            self.addresses.insert(name.to_owned(), result.clone());
        }
        result.map_err(|fault| inside(piece, name, &fault))
    }
}

fn parse_items(piece: Piece<'_>, dialect: Dialect) -> Result<AddressSet, Fault> {
    let bad = || {
        let fault = Fault::new(piece, "R0202", format!("`{}` is no address", piece.text));
        let looks_like_port = piece.text.bytes().all(|byte| byte.is_ascii_digit());
        let name = crate::config::is_variable_name(piece.text)
            && piece.text.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
        match piece.text {
            _ if looks_like_port => fault.help("addresses come before ports; write `any` for all addresses"),
            _ if name => fault.help(format!("a variable needs a `$`: `${}`", piece.text)),
            _ => fault,
        }
    };
    if let Some((first, last)) = piece.text.split_once('-').filter(|_| dialect == Dialect::Suricata) {
        let (first, last) = (parse_address(first).ok_or_else(bad)?, parse_address(last).ok_or_else(bad)?);
        let positive = range(first, last).ok_or_else(bad)?;
        return Ok(AddressSet { positive, ..AddressSet::default() });
    }
    let (address, prefix) = match piece.text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (piece.text, None),
    };
    let written: IpAddr = address.trim().parse().map_err(|_| bad())?;
    let bits = if written.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        Some(prefix) => parse_prefix(prefix.trim(), written).ok_or_else(bad)?,
        None => bits,
    };
    Ok(AddressSet::item(unmap(written, prefix)))
}

fn parse_address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.trim().parse().ok()?;
    Some(address.to_canonical())
}

/// A prefix length, or for IPv4 a netmask.
fn parse_prefix(text: &str, address: IpAddr) -> Option<u8> {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|&prefix| prefix <= bits);
    }
    let mask = u32::from(text.parse::<std::net::Ipv4Addr>().ok().filter(|_| address.is_ipv4())?);
    let ones = mask.leading_ones();
    (mask.count_ones() == ones).then(|| u8::try_from(ones).ok()).flatten()
}

/// The network, in IPv4 if it is an IPv4-mapped one.
fn unmap(address: IpAddr, prefix: u8) -> AddressItem {
    let mapped = match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().zip(prefix.checked_sub(96)),
        IpAddr::V4(_) => None,
    };
    let (address, prefix) = mapped.map_or((address, prefix), |(v4, prefix)| (IpAddr::V4(v4), prefix));
    AddressItem { network: masked(address, prefix), prefix }
}

/// The networks that make up a range: at most two per bit.
fn range(first: IpAddr, last: IpAddr) -> Option<Vec<AddressItem>> {
    let (mut low, high, bits) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => (u128::from(u32::from(first)), u128::from(u32::from(last)), 32_u32),
        (IpAddr::V6(first), IpAddr::V6(last)) => (u128::from(first), u128::from(last), 128),
        _ => return None,
    };
    if low > high {
        return None;
    }
    let mut items = Vec::new();
    loop {
        let rest = high.wrapping_sub(low);
        // The largest aligned block that doesn't reach beyond `high`.
        let fits = rest.checked_add(1).map_or(128, u128::ilog2);
        let size = low.trailing_zeros().min(fits).min(bits);
        let network = match bits {
            32 => IpAddr::V4(u32::try_from(low).ok()?.into()),
            _ => IpAddr::V6(Ipv6Addr::from(low)),
        };
        items.push(AddressItem { network, prefix: u8::try_from(bits.saturating_sub(size)).ok()? });
        match 1_u128.checked_shl(size).and_then(|step| low.checked_add(step)) {
            Some(next) if next <= high => low = next,
            _ => return Some(items),
        }
    }
}
