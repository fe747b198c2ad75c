//! The host's own routes to pods: `10.65.1.9/32 dev cali…`, as network plugins that route make them.
//!
//! *How it fits*: confirms which interface leads to a pod, or finds it where its name says nothing.
//!
//! *Invariants*: total over any text; only routes to one address and without gateway count.
//!
//! *Limits*: [`MAX_ROUTES`] of each family are looked at; what is behind them is as if it were not there.
//!
//! *Spec*: proc(5), `/proc/net/route` (addresses in the order of the machine's bytes) and `/proc/net/ipv6_route`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Routes of a family at most. A node has some hundred pods.
const MAX_ROUTES: usize = 65_536;
/// The route leads to one address (RTF_HOST), and through a gateway (RTF_GATEWAY).
const HOST: u32 = 0x4;
const GATEWAY: u32 = 0x2;

/// Interface by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes(HashMap<IpAddr, String>);

impl Routes {
    /// As they are now; a family that cannot be read has none.
    pub fn read(proc: &Path) -> Self {
        let text = |name: &str| std::fs::read_to_string(proc.join("self/net").join(name)).unwrap_or_default();
        let mut found = HashMap::new();
        found.extend(text("route").lines().take(MAX_ROUTES).filter_map(v4));
        found.extend(text("ipv6_route").lines().take(MAX_ROUTES).filter_map(v6));
        Self(found)
    }

    /// The interface that leads to this address alone.
    pub fn interface(&self, address: IpAddr) -> Option<&str> {
        self.0.get(&address).map(String::as_str)
    }
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`
fn v4(line: &str) -> Option<(IpAddr, String)> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next()?;
    let mut number = || u32::from_str_radix(words.next()?, 16).ok();
    let (destination, _, flags) = (number()?, number()?, number()?);
    let mask = u32::from_str_radix(words.nth(3)?, 16).ok()?;
    let direct = flags & GATEWAY == 0 && mask == u32::MAX;
    direct.then(|| (Ipv4Addr::from(destination.to_ne_bytes()).into(), name.to_owned()))
}

/// `destination length source length gateway metric refcnt use flags name`
fn v6(line: &str) -> Option<(IpAddr, String)> {
    let mut words = line.split_ascii_whitespace();
    let address = u128::from_str_radix(words.next()?, 16).ok()?;
    let length = words.next()?;
    let flags = u32::from_str_radix(words.nth(6)?, 16).ok()?;
    let name = words.next()?;
    let direct = length == "80" && flags & (HOST | GATEWAY) != GATEWAY && name != "lo";
    direct.then(|| (Ipv6Addr::from(address).into(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_routes_name_their_interface_and_others_do_not_count() {
        let root = tempfile::tempdir().unwrap();
        let net = root.path().join("self/net");
        std::fs::create_dir_all(&net).unwrap();
        let line = |name: &str, address: [u8; 4], flags: &str, mask: u32| {
            format!("{name}\t{:08X}\t00000000\t{flags}\t0\t0\t0\t{mask:08X}\t0\t0\t0\n", u32::from_ne_bytes(address))
        };
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n".to_owned()
            + &line("eth0", [0, 0, 0, 0], "0003", 0)
            + &line("cali1", [10, 65, 1, 9], "0005", u32::MAX)
            + &line("eth0", [10, 65, 1, 10], "0007", u32::MAX)
            + &line("cni0", [10, 66, 0, 0], "0001", 0x00ff_ffff)
            + "cut";
        std::fs::write(net.join("route"), text).unwrap();
        let six = "fd000000000000000000000000000009 80 00000000000000000000000000000000 00 \
            00000000000000000000000000000000 00000400 00000001 00000000 00000001    cali1\n\
            fd000000000000000000000000000000 40 00000000000000000000000000000000 00 \
            00000000000000000000000000000000 00000100 00000001 00000000 00000001    eth0\n\
            00000000000000000000000000000001 80 00000000000000000000000000000000 00 \
            00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo\n";
        std::fs::write(net.join("ipv6_route"), six).unwrap();
        let routes = Routes::read(root.path());
        let of = |text: &str| routes.interface(text.parse().unwrap()).map(str::to_owned);
        assert_eq!((of("10.65.1.9").as_deref(), of("fd00::9").as_deref()), (Some("cali1"), Some("cali1")));
        assert_eq!((of("10.65.1.10"), of("10.66.0.1"), of("0.0.0.0"), of("::1")), (None, None, None, None));
        assert_eq!(Routes::read(Path::new("/nowhere")), Routes::default());
    }
}
