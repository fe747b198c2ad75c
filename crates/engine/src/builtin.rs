//! Messages of builtin events, by generator. Snort's numbers, our words
//! (`snort/10-builtin-events.md`).

/// A message for the event: what the generator is, and the number.
pub(crate) fn message(gid: u32, sid: u32) -> String {
    let source = match gid {
        105 => "back orifice",
        106 => "rpc",
        112 => "arp",
        116 => "decoder",
        119 => "http",
        121 => "http2",
        123 => "ip defragmentation",
        124 => "smtp",
        125 => "ftp",
        126 => "telnet",
        128 => "ssh",
        129 => "tcp stream",
        131 => "dns",
        133 => "smb and dce/rpc",
        137 => "tls",
        140 => "sip",
        141 => "imap",
        142 => "pop3",
        _ => "inspector",
    };
    format!("({source}) anomaly {gid}:{sid}: {}", meaning(gid, sid).unwrap_or("see docs/builtin-events.md"))
}

/// What the commonest events mean.
fn meaning(gid: u32, sid: u32) -> Option<&'static str> {
    Some(match (gid, sid) {
        (116, 1) => "IP version is not 4",
        (116, 2) => "IPv4 header shorter than 20 bytes",
        (116, 3) => "IPv4 total length shorter than the header",
        (116, 6) => "IPv4 datagram longer than what was captured",
        (116, 45) => "TCP header truncated",
        (116, 46) => "TCP data offset below 5",
        (116, 47) => "TCP header longer than the packet",
        (116, 54) => "TCP option with a bad length",
        (116, 55) => "TCP options truncated",
        (116, 95) => "UDP header truncated",
        (116, 97) => "UDP length longer than the payload",
        (116, 98) => "UDP length shorter than the payload",
        (116, 150) => "loopback address on the wire",
        (116, 151) => "source and destination address are the same",
        (116, 400) => "all-flags scan",
        (116, 420) => "SYN and FIN together",
        (116, 421) => "SYN and RST together",
        (116, 424) => "Ethernet frame truncated",
        (116, 425) => "IPv4 header truncated",
        (119, 2) => "URI decoded twice",
        (119, 18) => "path leads above the root",
        (119, 31) => "unknown method",
        (119, 201) => "lost synchronisation with the messages",
        (119, 213) => "broken chunk",
        (119, 217) => "compressed body is corrupt",
        (123, 2) => "fragments overlap inconsistently (teardrop)",
        (123, 8) => "fragment overlaps another",
        (129, 2) => "data on SYN",
        (129, 5) => "overlapping segments with different bytes",
        (129, 8) => "data sent after RST",
        (129, 15) => "RST outside the window",
        (129, 18) => "data received after RST",
        _ => return None,
    })
}
