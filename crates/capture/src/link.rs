//! Link messages of rtnetlink: which interfaces there are, their names, whether they are up, and in which network
//! namespace their other end is.
//!
//! Pure functions over received bytes; nothing here can fail on any of them.
//!
//! *Spec*: rtnetlink(7), netlink(7). Messages of family AF_BRIDGE tell of bridge ports, not of interfaces: a "deleted"
//! one has only left its bridge. They are left out.

/// A message of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkMessage {
    /// The interface exists, with this name and state; `peer` is the namespace of its other end, if that is another one.
    Present { index: u32, name: String, up: bool, peer: Option<i32> },
    /// The interface is gone.
    Gone { index: u32 },
    /// The list that was asked for is complete.
    Done {
        /// It may be inconsistent, ask again.
        interrupted: bool,
    },
    /// The request was refused, with this errno.
    Refused(i32),
}

const HEADER: usize = 16;
const IFINFO: usize = 16;
const ATTRIBUTE: usize = 4;
const ALIGN: usize = 4;
/// `struct rtgenmsg`, padded.
const RTGENMSG: usize = 4;
// <linux/rtnetlink.h>, <linux/net_namespace.h>, <linux/if_link.h>; not in `libc`.
const RTM_NEWNSID: u16 = 88;
const RTM_GETNSID: u16 = 90;
const NETNSA_NSID: u16 = 1;
const NETNSA_PID: u16 = 2;
const IFLA_LINK_NETNSID: u16 = 37;
const AF_UNSPEC: u8 = libc::AF_UNSPEC as u8;
/// The list was changed while it was written; not in `libc`.
const NLM_F_DUMP_INTR: u16 = 0x10;

/// A request for the list of all links.
pub(crate) fn list_request(sequence: u32) -> [u8; HEADER + IFINFO] {
    let mut request = [0; HEADER + IFINFO];
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    let length = (HEADER + IFINFO) as u32;
    let header = length.to_ne_bytes().into_iter().chain(libc::RTM_GETLINK.to_ne_bytes()).chain(flags.to_ne_bytes());
    request.iter_mut().zip(header.chain(sequence.to_ne_bytes())).for_each(|(to, from)| *to = from);
    request
}

/// Asks which number our network namespace has for that of a process.
pub(crate) fn namespace_request(pid: u32) -> [u8; HEADER + RTGENMSG + ATTRIBUTE + 4] {
    let mut request = [0; HEADER + RTGENMSG + ATTRIBUTE + 4];
    let length = request.len() as u32;
    let flags = libc::NLM_F_REQUEST as u16;
    let header = length.to_ne_bytes().into_iter().chain(RTM_GETNSID.to_ne_bytes()).chain(flags.to_ne_bytes());
    // A sequence number of 1, the sender's port left to the kernel, and `struct rtgenmsg` with its padding.
    let rest = 1u32.to_ne_bytes().into_iter().chain([0; 4 + RTGENMSG]);
    let attribute = (ATTRIBUTE as u16 + 4).to_ne_bytes().into_iter().chain(NETNSA_PID.to_ne_bytes());
    let bytes = header.chain(rest).chain(attribute).chain(pid.to_ne_bytes());
    request.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    request
}

/// The answer to [`namespace_request`]: the number, -1 if there is none, or an errno.
pub(crate) fn namespace_answer(datagram: &[u8]) -> Option<Result<i32, i32>> {
    match u16_at(datagram, 4)? {
        RTM_NEWNSID => {
            let value = attribute(datagram.get(HEADER + RTGENMSG..)?, NETNSA_NSID)?;
            Some(Ok(u32_at(value, 0)? as i32))
        }
        NLMSG_ERROR => Some(Err((u32_at(datagram, HEADER)? as i32).wrapping_neg())),
        _ => None,
    }
}

/// The messages in a datagram. Lists that answer another request than `sequence` are left out: they may be older than a
/// loss of notifications.
pub(crate) fn messages(datagram: &[u8], sequence: u32) -> impl Iterator<Item = LinkMessage> + '_ {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = u32_at(rest, 0)? as usize;
        // Shorter than its own header: nothing behind it can be trusted.
        let message = rest.get(..length).filter(|_| length >= HEADER)?;
        rest = rest.get(length.next_multiple_of(ALIGN)..).unwrap_or(&[]);
        Some(message)
    })
    .filter_map(move |message| self::message(message, sequence))
}

fn message(message: &[u8], sequence: u32) -> Option<LinkMessage> {
    let kind = u16_at(message, 4)?;
    let flags = u16_at(message, 6)?;
    let body = message.get(HEADER..)?;
    let is_answer = u32_at(message, 8)? == sequence;
    if flags & libc::NLM_F_MULTI as u16 != 0 && !is_answer {
        return None;
    }
    match kind {
        libc::RTM_NEWLINK => present(body),
        libc::RTM_DELLINK if is_interface(body) => Some(LinkMessage::Gone { index: u32_at(body, 4)? }),
        NLMSG_DONE if is_answer => Some(LinkMessage::Done { interrupted: flags & NLM_F_DUMP_INTR != 0 }),
        NLMSG_ERROR if is_answer => match u32_at(body, 0)? as i32 {
            0 => None,
            error => Some(LinkMessage::Refused(error.wrapping_neg())),
        },
        _ => None,
    }
}

const NLMSG_DONE: u16 = libc::NLMSG_DONE as u16;
const NLMSG_ERROR: u16 = libc::NLMSG_ERROR as u16;

/// `struct ifinfomsg` and its attributes.
fn present(body: &[u8]) -> Option<LinkMessage> {
    if !is_interface(body) {
        return None;
    }
    let index = u32_at(body, 4)?;
    let up = u32_at(body, 8)? & libc::IFF_UP as u32 != 0;
    let attributes = body.get(IFINFO..)?;
    let name = attribute(attributes, libc::IFLA_IFNAME)?;
    let name = name.split(|&byte| byte == 0).next().unwrap_or(name);
    let peer = attribute(attributes, IFLA_LINK_NETNSID).and_then(|value| u32_at(value, 0)).map(|id| id as i32);
    let peer = peer.filter(|id| *id >= 0);
    Some(LinkMessage::Present { index, name: String::from_utf8_lossy(name).into_owned(), up, peer })
}

fn is_interface(body: &[u8]) -> bool {
    body.first() == Some(&AF_UNSPEC)
}

/// The value of the first attribute of a type.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        let value = attributes.get(ATTRIBUTE..length)?;
        if u16_at(attributes, 2)? == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(ALIGN)..)?;
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|&bytes| u32::from_ne_bytes(bytes))
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().map(|&bytes| u16::from_ne_bytes(bytes))
}

/// Parses arbitrary bytes as a datagram of link messages.
#[doc(hidden)]
pub fn fuzz_link_messages(data: &[u8]) {
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    let count = messages(rest, u32::from(*first)).count();
    assert!(count <= rest.len() / HEADER, "every message has a header");
    let _ = namespace_answer(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend(sequence.to_ne_bytes());
        message.extend([0; 4]);
        message.extend(body);
        message.resize(message.len().next_multiple_of(ALIGN), 0);
        message
    }

    fn link(kind: u16, family: u8, index: u32, up: bool, name: &str) -> Vec<u8> {
        raw(kind, 0, 0, &link_body(family, index, up, name))
    }

    fn link_body(family: u8, index: u32, up: bool, name: &str) -> Vec<u8> {
        let mut body = vec![family, 0, 1, 0];
        body.extend(index.to_ne_bytes());
        body.extend(u32::from(up).to_ne_bytes());
        body.extend([0; 4]);
        // Another attribute first.
        body.extend(8u16.to_ne_bytes().into_iter().chain(13u16.to_ne_bytes()).chain([1, 2, 3, 4]));
        body.extend(((ATTRIBUTE + name.len() + 1) as u16).to_ne_bytes());
        body.extend(libc::IFLA_IFNAME.to_ne_bytes());
        body.extend(name.bytes().chain([0]));
        body
    }

    #[test]
    fn links_and_the_end_of_their_list_are_read_from_one_datagram() {
        let mut datagram = link(libc::RTM_NEWLINK, AF_UNSPEC, 4, true, "veth1");
        datagram.extend(link(libc::RTM_NEWLINK, AF_UNSPEC, 9, false, "cali0123456"));
        datagram.extend(link(libc::RTM_DELLINK, AF_UNSPEC, 4, false, "veth1"));
        datagram.extend(raw(NLMSG_DONE, NLM_F_DUMP_INTR, 7, &[0; 4]));
        datagram.extend(raw(NLMSG_DONE, 0, 6, &[0; 4]));
        datagram.extend(raw(NLMSG_ERROR, 0, 7, &(-libc::EBUSY).to_ne_bytes()));
        let expected = [
            LinkMessage::Present { index: 4, name: "veth1".into(), up: true, peer: None },
            LinkMessage::Present { index: 9, name: "cali0123456".into(), up: false, peer: None },
            LinkMessage::Gone { index: 4 },
            LinkMessage::Done { interrupted: true },
            LinkMessage::Refused(libc::EBUSY),
        ];
        assert_eq!(messages(&datagram, 7).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn entries_of_an_older_list_are_left_out() {
        let body = link_body(AF_UNSPEC, 4, true, "veth1");
        let entry = |sequence| raw(libc::RTM_NEWLINK, libc::NLM_F_MULTI as u16, sequence, &body);
        assert_eq!(messages(&entry(6), 7).count(), 0);
        assert_eq!(messages(&entry(7), 7).count(), 1);
    }

    #[test]
    fn the_namespace_of_the_other_end_is_a_number_that_can_be_asked_for() {
        let mut body = link_body(AF_UNSPEC, 4, true, "ve1");
        body.extend(8u16.to_ne_bytes().into_iter().chain(IFLA_LINK_NETNSID.to_ne_bytes()).chain(5i32.to_ne_bytes()));
        let found: Vec<_> = messages(&raw(libc::RTM_NEWLINK, 0, 0, &body), 0).collect();
        assert_eq!(found, [LinkMessage::Present { index: 4, name: "ve1".into(), up: true, peer: Some(5) }]);
        let answer = |id: i32| {
            let mut body = vec![0; RTGENMSG];
            body.extend(8u16.to_ne_bytes().into_iter().chain(NETNSA_NSID.to_ne_bytes()).chain(id.to_ne_bytes()));
            namespace_answer(&raw(RTM_NEWNSID, 0, 1, &body))
        };
        assert_eq!((answer(5), answer(-1)), (Some(Ok(5)), Some(Ok(-1))));
        let refused = raw(NLMSG_ERROR, 0, 1, &(-libc::ESRCH).to_ne_bytes());
        assert_eq!(namespace_answer(&refused), Some(Err(libc::ESRCH)));
        assert_eq!(namespace_answer(&refused[..HEADER]), None);
    }

    #[test]
    fn leaving_a_bridge_is_not_deletion() {
        let datagram = link(libc::RTM_DELLINK, libc::AF_BRIDGE as u8, 4, true, "veth1");
        assert_eq!(messages(&datagram, 0).count(), 0);
    }

    #[test]
    fn every_truncation_is_read_without_a_panic() {
        // Four bytes with its NUL, so that there is no padding to cut.
        let datagram = link(libc::RTM_NEWLINK, AF_UNSPEC, 4, true, "ve1");
        for length in 0..datagram.len() {
            assert_eq!(messages(&datagram[..length], 0).count(), 0, "{length}");
        }
        assert_eq!(messages(&datagram, 0).count(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(16), Just(32), any::<u8>()], 0..300)) {
            fuzz_link_messages(&bytes);
        }
    }
}
