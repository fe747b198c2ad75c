//! FTP data channel (RFC 959 §3): the whole stream is one file, inspected in pieces of the PDU size.

use super::{ProtocolDef, TransportKind};
use crate::content::line::need_more;
use crate::content::mime::FileView;
use crate::{End, InspectCx, Inspector, Pdu, Service, Step};
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The data channel that a control channel announced.
pub(crate) static DEF: ProtocolDef = ProtocolDef {
    service: Service::FtpData,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(FtpData::default()),
    events: &[],
};

/// Bytes of each direction so far.
#[derive(Debug, Default)]
struct FtpData {
    positions: [u64; 2],
}

impl FtpData {
    fn emit(&mut self, dir: Direction, piece: &[u8], cx: &mut InspectCx<'_>) {
        let Some(position) = self.positions.get_mut(dir.index()) else { return };
        let view = FileView { file: piece, position: *position };
        cx.counters.add(Counter::FtpDataBytes, piece.len() as u64);
        cx.sink.pdu(&Pdu { view: &view, starts_message: *position == 0, ..Pdu::plain(piece) });
        *position = position.saturating_add(piece.len() as u64);
    }
}

impl Inspector for FtpData {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        match bytes.get(..cx.limits.pdu_bytes.max(1)) {
            Some(piece) => {
                self.emit(dir, piece, cx);
                Step::Consumed(piece.len())
            }
            None => need_more(bytes),
        }
    }

    fn on_idle(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> usize {
        if !bytes.is_empty() {
            self.emit(dir, bytes, cx);
        }
        bytes.len()
    }

    fn on_end(&mut self, dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if !tail.is_empty() {
            self.emit(dir, tail, cx);
        }
    }

    fn footprint(&self) -> usize {
        size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::replay::Replay;

    #[test]
    fn a_transfer_comes_in_pieces_that_know_their_place_whatever_the_cuts() {
        let file: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for cut in [1, 7, 300, 1000] {
            let mut replay = Replay::new(Box::new(FtpData::default()), Limits { pdu_bytes: 400, ..Limits::default() });
            for piece in file.chunks(cut) {
                replay.feed(Direction::ToClient, piece);
            }
            replay.end();
            assert_eq!(replay.violation, None);
            let pdus = &replay.recorder.pdus;
            let shape: Vec<_> = pdus.iter().map(|pdu| (pdu.raw.len(), pdu.position, pdu.starts_message)).collect();
            assert_eq!(shape, [(400, 0, true), (400, 400, false), (200, 800, false)]);
            assert_eq!(pdus.iter().flat_map(|pdu| pdu.file.clone().unwrap()).collect::<Vec<_>>(), file);
            assert_eq!(replay.counters.value(Counter::FtpDataBytes), 1000);
        }
    }
}
