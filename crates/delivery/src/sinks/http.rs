//! The HTTP client of the sinks that speak HTTP, and what a refusal means for a batch.

use crate::sink::{Delivery, Load};
pub use tapir_outbound::{Answer, Auth, HttpClient, HttpConfig, MAX_ANSWER};

/// An answer that refuses a whole batch.
pub(crate) trait Refusal {
    /// How long the receiver wants to be left alone, and how it bears the load.
    fn failed(&self, why: String) -> Delivery;
}

impl Refusal for Answer {
    fn failed(&self, why: String) -> Delivery {
        let load = match self.status.as_u16() {
            413 => Load::TooLarge,
            429 | 503 => Load::Slower,
            _ => Load::Fine,
        };
        Delivery { retry_after: self.retry_after, load, ..Delivery::failed(why) }
    }
}
