//! A sink that does not get what a suppression hides: everywhere but in the manager's store, quiet means quiet.

use crate::record::Record;
use crate::sink::{Answer, BoxFuture, Delivery, Outcome, Sink};
use memchr::memmem;
use std::time::Instant;

/// As the key of the event stands in its JSON. In a text from outside its quotes would be escaped.
const KEY: &[u8] = b"\"suppressed_by\":";

/// Passes on what no suppression hides; the rest is counted as skipped.
pub struct Visible {
    sink: Box<dyn Sink>,
    key: memmem::Finder<'static>,
}

impl Visible {
    /// In front of `sink`.
    pub fn new(sink: Box<dyn Sink>) -> Self {
        Self { sink, key: memmem::Finder::new(KEY) }
    }

    /// The search spares most events the parsing; what is no event is the sink's business.
    fn hides(&self, record: &Record) -> bool {
        self.key.find(&record.payload).is_some() && record.event().is_ok_and(|event| event.suppressed_by.is_some())
    }

    async fn deliver_shown(&mut self, batch: &[Record]) -> Delivery {
        let hidden: Vec<bool> = batch.iter().map(|record| self.hides(record)).collect();
        if !hidden.contains(&true) {
            return self.sink.deliver(batch).await;
        }
        let shown: Vec<Record> =
            batch.iter().zip(&hidden).filter(|(_, hidden)| !**hidden).map(|(record, _)| record.clone()).collect();
        if shown.is_empty() {
            return Delivery::each(vec![Outcome::Skipped; batch.len()]);
        }
        let mut delivery = self.sink.deliver(&shown).await;
        if let Answer::Each(outcomes) = delivery.answer {
            let mut outcomes = outcomes.into_iter();
            let each = hidden.iter().map(|hidden| if *hidden { Some(Outcome::Skipped) } else { outcomes.next() });
            // A sink that answers for less than it got: the courier sends what is missing again.
            delivery.answer = Answer::Each(each.map_while(|outcome| outcome).collect());
        }
        delivery
    }
}

impl Sink for Visible {
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
        Box::pin(self.deliver_shown(batch))
    }

    fn reopen(&mut self) {
        self.sink.reopen();
    }

    fn due(&self) -> Option<Instant> {
        self.sink.due()
    }

    fn tick(&mut self) -> BoxFuture<'_, ()> {
        self.sink.tick()
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        self.sink.close()
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        self.sink.figures()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;
    use std::sync::{Arc, Mutex};
    use tapir_event::SecurityEvent;

    /// Says of record 3 that it is to come again.
    struct Taker(Arc<Mutex<Vec<u64>>>);

    impl Sink for Taker {
        fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
            let mut taken = self.0.lock().unwrap();
            let each = batch.iter().map(|record| {
                taken.push(record.id.seq);
                if record.id.seq == 3 { Outcome::Retry("not now".into()) } else { Outcome::Done }
            });
            let delivery = Delivery::each(each.collect());
            Box::pin(async { delivery })
        }
    }

    fn event(seq: u64, suppressed_by: Option<&str>) -> Record {
        let mut record = record(seq);
        let mut event = SecurityEvent { suppressed_by: suppressed_by.map(str::to_owned), ..SecurityEvent::default() };
        event.interface = "\"suppressed_by\":\"s-1\"".into();
        record.payload = serde_json::to_vec(&event).unwrap().into();
        record
    }

    #[tokio::test]
    async fn what_is_hidden_is_skipped_and_the_outcomes_stay_in_their_places() {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let mut sink = Visible::new(Box::new(Taker(Arc::clone(&taken))));
        let batch = [event(1, None), event(2, Some("s-1")), event(3, None), event(4, Some("s-2")), event(5, None)];
        let delivery = sink.deliver(&batch).await;
        let (done, skipped) = (Outcome::Done, Outcome::Skipped);
        let retry = Outcome::Retry("not now".into());
        assert_eq!(delivery, Delivery::each(vec![done.clone(), skipped.clone(), retry, skipped.clone(), done]));
        assert_eq!(*taken.lock().unwrap(), [1, 3, 5]);
        let all_hidden = sink.deliver(&[event(6, Some("s-1"))]).await;
        assert_eq!(all_hidden, Delivery::each(vec![skipped]));
    }

    #[tokio::test]
    async fn what_is_no_event_is_passed_on() {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let mut sink = Visible::new(Box::new(Taker(Arc::clone(&taken))));
        let mut odd = record(9);
        odd.payload = br#"{"suppressed_by":7}"#.as_slice().into();
        assert_eq!(sink.deliver(&[odd]).await, Delivery::each(vec![Outcome::Done]));
    }
}
