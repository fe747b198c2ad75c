//! The steady path allocates nothing: buffers grow to what a flow needs and stay.

use super::*;

/// One round trip: `segments` of `size` bytes, one acknowledgement, everything read.
fn round(c: &mut Connection, offset: u32, segments: u32, payload: &[u8]) -> u32 {
    let mut end = offset;
    for _ in 0..segments {
        assert_eq!(c.data(ToServer, end, payload).data, DataOutcome::Queued);
        end += payload.len() as u32;
    }
    c.ack(ToClient, end);
    let half = c.session.half_mut(ToServer);
    assert_eq!(half.ready().len(), segments as usize * payload.len());
    half.consume(half.ready().len());
    end
}

#[test]
fn an_allocation_would_be_counted() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![1u8])));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn in_order_segments_allocate_nothing_once_the_buffers_have_grown() {
    let mut c = open();
    let payload = [b'x'; 1448];
    let mut offset = round(&mut c, 0, 10, &payload);
    let counted = allocation_counter::measure(|| {
        for _ in 0..1000 {
            offset = round(&mut c, offset, 10, &payload);
        }
    });
    assert_eq!((counted.count_total, counted.bytes_total), (0, 0));
}

#[test]
fn an_unread_rest_does_not_make_segments_allocate() {
    let mut c = open();
    let payload = [b'x'; 1000];
    // An inspector that always leaves the last bytes for later.
    let step = |c: &mut Connection, offset: u32| {
        c.data(ToServer, offset, &payload);
        c.ack(ToClient, offset + 1000);
        let half = c.session.half_mut(ToServer);
        half.consume(half.ready().len() - 300);
    };
    (0..50).for_each(|n| step(&mut c, n * 1000));
    let counted = allocation_counter::measure(|| (50..5000).for_each(|n| step(&mut c, n * 1000)));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn large_bursts_allocate_per_burst_not_per_segment() {
    let mut c = open();
    let payload = [b'x'; 1448];
    let mut offset = round(&mut c, 0, 40, &payload);
    let counted = allocation_counter::measure(|| {
        for _ in 0..100 {
            offset = round(&mut c, offset, 40, &payload);
        }
    });
    assert!(counted.count_total <= 100 * 4, "{} allocations for 4,000 segments", counted.count_total);
}

#[test]
fn an_idle_session_keeps_little() {
    let mut c = open();
    let empty = c.session.footprint();
    assert!(empty <= 1024, "{empty}");
    let offset = round(&mut c, 0, 1000, &[b'x'; 1448]);
    round(&mut c, offset, 1, b"x");
    assert!(c.session.footprint() <= empty + (40 << 10), "{}", c.session.footprint());
}
