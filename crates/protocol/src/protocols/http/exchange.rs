//! Requests, the answers to them, and which belongs to which.
//!
//! *How it fits*: the inspector adds each message here when its head is complete. A response answers
//! the oldest request without an answer; a request is kept until it is both sent and answered.
//!
//! *Limits*: `Limits::http_pipelined` requests without an answer; beyond, pairing stops for the flow
//! (counted by the inspector). Up to [`SPARE`] messages per worker thread are kept for reuse, so that a flow
//! that waits for its next request holds none.
//!
//! *Spec*: RFC 9112 §9.3.2; Snort 3 `maximum_pipelined_requests`.

use super::message::Message;
use std::cell::RefCell;
use std::collections::VecDeque;
use tapir_flow::Direction;

/// Messages kept for reuse by the flows of a worker thread.
const SPARE: usize = 64;

thread_local! {
    #[allow(clippy::vec_box, reason = "the boxes move in and out of flows; the messages never do")]
    static IDLE: RefCell<Vec<Box<Message>>> = const { RefCell::new(Vec::new()) };
}

/// An empty message.
pub(super) fn fresh() -> Box<Message> {
    IDLE.try_with(|idle| idle.borrow_mut().pop()).ok().flatten().unwrap_or_default()
}

/// Gives a message back.
fn recycle(mut message: Box<Message>) {
    // While the thread ends there is no pool any more; then the memory is simply freed.
    let _ = IDLE.try_with(|idle| {
        let mut idle = idle.borrow_mut();
        if idle.len() < SPARE {
            message.clear();
            idle.push(message);
        }
    });
}

/// The messages of a flow that still matter.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// Requests from number `first` on.
    requests: VecDeque<Box<Message>>,
    first: u64,
    /// Requests begun so far: the number of the next one.
    pub(super) begun: u64,
    /// The last request is not over yet.
    sending: bool,
    /// The number of the oldest request without an answer.
    pub(super) answered: u64,
    /// Which request the present response answers.
    answering: Option<u64>,
    response: Option<Box<Message>>,
    /// Responses are not paired any more.
    unpaired: bool,
    /// Interim responses (100) to the oldest request.
    pub(super) continues: u8,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.requests.drain(..).chain(self.response.take()).for_each(recycle);
    }
}

impl Exchange {
    /// A request's head is complete. Says whether the limit was passed by it.
    pub(super) fn begin_request(&mut self, message: Box<Message>, limit: usize) -> bool {
        self.requests.push_back(message);
        self.begun += 1;
        self.sending = true;
        let waiting = self.begun.saturating_sub(self.answered);
        let overflow = !self.unpaired && waiting > limit as u64;
        if overflow {
            self.stop_pairing();
        }
        overflow
    }

    /// The request that is being sent is over.
    pub(super) fn end_request(&mut self) {
        self.sending = false;
        if self.unpaired {
            self.answered = self.begun;
        }
        self.prune();
    }

    /// A response's head is complete.
    pub(super) fn begin_response(&mut self, message: Box<Message>) {
        self.answering = (!self.unpaired && self.answered < self.begun).then_some(self.answered);
        if let Some(old) = self.response.replace(message) {
            recycle(old);
        }
    }

    /// The response is over; an interim one leaves its request unanswered.
    pub(super) fn end_response(&mut self, interim: bool) {
        if self.answering.take().is_some() && !interim {
            self.answered += 1;
            self.continues = 0;
        }
        if let Some(response) = self.response.take() {
            recycle(response);
        }
        self.prune();
    }

    /// No response will be paired from here on.
    pub(super) fn stop_pairing(&mut self) {
        self.unpaired = true;
        self.answering = None;
        self.answered = self.begun;
        self.prune();
    }

    /// The oldest request without an answer.
    pub(super) fn unanswered(&self) -> Option<&Message> {
        if self.unpaired { None } else { self.request_at(self.answered) }
    }

    /// Request and response as seen from a message of this direction.
    pub(super) fn messages(&self, direction: Direction) -> (Option<&Message>, Option<&Message>) {
        match direction {
            Direction::ToServer if self.sending => (self.requests.back().map(Box::as_ref), None),
            Direction::ToServer => (None, None),
            Direction::ToClient => {
                (self.answering.and_then(|number| self.request_at(number)), self.response.as_deref())
            }
        }
    }

    /// The message of this direction, to add trailers to it.
    pub(super) fn current(&mut self, direction: Direction) -> Option<&mut Message> {
        match direction {
            Direction::ToServer if self.sending => self.requests.back_mut().map(Box::as_mut),
            Direction::ToServer => None,
            Direction::ToClient => self.response.as_deref_mut(),
        }
    }

    /// Memory held.
    pub(super) fn footprint(&self) -> usize {
        self.requests.iter().chain(&self.response).map(|message| message.footprint()).sum()
    }

    fn request_at(&self, number: u64) -> Option<&Message> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.requests.get(index).map(Box::as_ref)
    }

    /// Drops requests that are sent and answered.
    fn prune(&mut self) {
        let until = if self.sending { self.answered.min(self.begun.saturating_sub(1)) } else { self.answered };
        while self.first < until
            && let Some(message) = self.requests.pop_front()
        {
            self.first += 1;
            recycle(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str) -> Box<Message> {
        let mut message = Box::<Message>::default();
        message.head.extend_from_slice(name.as_bytes());
        message
    }

    fn seen(exchange: &Exchange) -> Option<&str> {
        exchange.messages(Direction::ToClient).0.map(|m| std::str::from_utf8(&m.head).unwrap())
    }

    #[test]
    fn responses_answer_the_oldest_request() {
        let mut exchange = Exchange::default();
        for name in ["a", "b"] {
            assert!(!exchange.begin_request(request(name), 10));
            exchange.end_request();
        }
        exchange.begin_response(request("interim"));
        assert_eq!(seen(&exchange), Some("a"));
        exchange.end_response(true);
        for name in ["a", "b"] {
            exchange.begin_response(request(""));
            assert_eq!(seen(&exchange), Some(name));
            exchange.end_response(false);
        }
        exchange.begin_response(request(""));
        assert_eq!(seen(&exchange), None);
        assert!(exchange.requests.is_empty());
    }

    #[test]
    fn a_request_answered_early_stays_until_it_is_sent() {
        let mut exchange = Exchange::default();
        exchange.begin_request(request("a"), 10);
        exchange.begin_response(request(""));
        exchange.end_response(false);
        assert!(exchange.messages(Direction::ToServer).0.is_some());
        exchange.end_request();
        assert!(exchange.requests.is_empty());
    }

    #[test]
    fn too_many_requests_end_the_pairing_but_not_the_inspection() {
        let mut exchange = Exchange::default();
        for n in 0..5 {
            assert_eq!(exchange.begin_request(request("x"), 3), n == 3);
            assert!(exchange.messages(Direction::ToServer).0.is_some());
            exchange.end_request();
        }
        assert!(exchange.requests.is_empty());
        exchange.begin_response(request(""));
        assert_eq!(seen(&exchange), None);
    }
}
