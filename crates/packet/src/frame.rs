//! A frame as capture or a capture file yields it: borrowed bytes and what is known about them.

/// Nanoseconds since the Unix epoch. Packet time; the engine knows no other clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From whole seconds and nanoseconds; saturates.
    #[inline]
    pub fn from_secs_nanos(secs: i64, nanos: u32) -> Self {
        Self(secs.saturating_mul(1_000_000_000).saturating_add(i64::from(nanos)))
    }

    /// Whole seconds (floor).
    #[inline]
    pub fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Microseconds within the second.
    #[inline]
    pub fn subsec_micros(self) -> u32 {
        u32::try_from(self.0.rem_euclid(1_000_000_000) / 1_000).unwrap_or(0)
    }

    /// Nanoseconds from `earlier` to `self`; negative if time went back.
    #[inline]
    pub fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Link-layer type: the LINKTYPE_ number of pcap files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD loopback, host byte order.
    pub const NULL: Self = Self(0);
    /// Ethernet II and 802.3.
    pub const ETHERNET: Self = Self(1);
    /// PPP, with or without HDLC framing.
    pub const PPP: Self = Self(9);
    /// Raw IP as BSD/OS numbers it.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP as OpenBSD numbers it.
    pub const RAW_OPENBSD: Self = Self(14);
    /// PPP with HDLC framing.
    pub const PPP_HDLC: Self = Self(50);
    /// PPPoE session.
    pub const PPP_ETHERNET: Self = Self(51);
    /// Raw IP (either version).
    pub const RAW: Self = Self(101);
    /// Cisco HDLC.
    pub const C_HDLC: Self = Self(104);
    /// OpenBSD loopback, network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Netfilter log messages.
    pub const NFLOG: Self = Self(239);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);

    /// The link types that [`crate::decode`] knows.
    pub const DECODED: &'static [Self] = &[
        Self::ETHERNET,
        Self::LINUX_SLL,
        Self::LINUX_SLL2,
        Self::RAW,
        Self::RAW_BSD,
        Self::RAW_OPENBSD,
        Self::IPV4,
        Self::IPV6,
        Self::NULL,
        Self::LOOP,
        Self::PPP,
        Self::PPP_HDLC,
        Self::PPP_ETHERNET,
        Self::C_HDLC,
        Self::NFLOG,
    ];

    /// Whether [`crate::decode`] knows the link type.
    #[inline]
    pub fn is_decoded(self) -> bool {
        Self::DECODED.contains(&self)
    }
}

/// What the capture source says about checksums of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumStatus {
    /// Nothing is known (capture files).
    #[default]
    Unknown,
    /// Not filled in yet (locally sent, offloaded): never verify.
    NotReady,
    /// Verified by the device.
    Valid,
}

/// An 802.1Q tag that the kernel took out of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTag {
    /// Tag protocol id, e.g. 0x8100.
    pub tpid: u16,
    /// Priority, DEI and VLAN id.
    pub tci: u16,
}

/// What is known of a frame beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameMeta {
    /// Interface index (live) or interface number within the capture file.
    pub interface: u32,
    /// Outermost VLAN tag, if the kernel stripped it.
    pub vlan: Option<VlanTag>,
    /// State of the checksums.
    pub checksum: ChecksumStatus,
    /// The captured host sent it through the interface, rather than receiving it. False where the source can't tell.
    pub outgoing: bool,
}

/// A captured frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The captured bytes, starting with the link layer.
    pub data: &'a [u8],
    /// When it was captured.
    pub timestamp: Timestamp,
    /// What `data` starts with.
    pub link: LinkType,
    /// Length on the wire; larger than `data.len()` if the capture was cut.
    pub original_len: u32,
    /// Further knowledge.
    pub meta: FrameMeta,
}
