//! Lines to standard output, or to any writer.
//!
//! A batch is one write. A reader that goes away is an error that is tried again; the program decides what to make of it.

use super::blocking::{Blocking, BlockingWriter};
use super::{LineFormatter, lines};
use crate::error::Error;
use crate::record::Record;
use crate::sink::{Outcome, Sink};
use std::io::Write;

/// A sink that writes lines to standard output.
pub fn stdout(format: LineFormatter) -> Result<Box<dyn Sink>, Error> {
    lines_to(std::io::stdout(), format)
}

/// A sink that writes lines to `writer`, which may block.
pub fn lines_to(writer: impl Write + Send + 'static, format: LineFormatter) -> Result<Box<dyn Sink>, Error> {
    Blocking::start("tapir-lines", Lines { writer, format })
}

struct Lines<W> {
    writer: W,
    format: LineFormatter,
}

impl<W: Write + Send + 'static> BlockingWriter for Lines<W> {
    fn write(&mut self, batch: &[Record]) -> Result<Vec<Outcome>, String> {
        let (buffer, outcomes) = lines(&self.format, batch);
        self.writer
            .write_all(&buffer)
            .and_then(|()| self.writer.flush())
            .map_err(|error| format!("cannot write the output: {error}"))?;
        Ok(outcomes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Delivery;
    use crate::testing::record;
    use std::io::Read;

    #[tokio::test]
    async fn a_record_is_a_line_and_one_without_is_skipped() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let format: LineFormatter = Box::new(|record| (record.seq() != 2).then(|| record.payload.to_vec()));
        let mut sink = lines_to(writer, format).unwrap();
        let delivery = sink.deliver(&[record(1), record(2), record(3)]).await;
        assert_eq!(delivery, Delivery::each(vec![Outcome::Done, Outcome::Skipped, Outcome::Done]));
        drop(sink);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "{\"n\":1}\n{\"n\":3}\n");
    }

    #[tokio::test]
    async fn a_reader_that_went_away_is_a_failure() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut sink = lines_to(writer, Box::new(|record| Some(record.payload.to_vec()))).unwrap();
        let delivery = sink.deliver(&[record(1)]).await;
        assert!(matches!(delivery.answer, crate::sink::Answer::Nothing(reason) if reason.contains("pipe")));
    }
}
