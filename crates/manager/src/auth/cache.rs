//! Answers of other servers, kept for a short time, one question at a time for each key.
//!
//! Who asks while the answer is on its way waits for it and asks nothing himself. A failure is kept for a second, so that
//! those who wait do not try one after the other. *Limits*: as many keys as told; the one that was not asked for the
//! longest goes.

use super::tokens::Hash;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const FAILED: Duration = Duration::from_secs(1);

type Kept<V> = Option<(Instant, Result<V, String>)>;

struct Slot<V> {
    asked: Instant,
    kept: Arc<tokio::sync::Mutex<Kept<V>>>,
}

pub(super) struct Cache<V> {
    slots: Mutex<BTreeMap<Hash, Slot<V>>>,
    most: usize,
}

impl<V: Clone> Cache<V> {
    pub(super) fn new(most: usize) -> Self {
        Self { slots: Mutex::default(), most }
    }

    /// The answer, made by `ask` if none is kept; `ask` says for how long it holds.
    pub(super) async fn get(
        &self,
        key: Hash,
        ask: impl Future<Output = Result<(V, Duration), String>>,
    ) -> Result<V, String> {
        let slot = self.slot(key);
        let mut kept = slot.lock().await;
        if let Some((until, answer)) = &*kept
            && *until > Instant::now()
        {
            return answer.clone();
        }
        *kept = None;
        let (answer, holds) = match ask.await {
            Ok((value, holds)) => (Ok(value), holds),
            Err(why) => (Err(why), FAILED),
        };
        *kept = Some((Instant::now() + holds, answer.clone()));
        answer
    }

    /// The next question is asked anew.
    pub(super) fn forget(&self, key: &Hash) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn slot(&self, key: Hash) -> Arc<tokio::sync::Mutex<Kept<V>>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if !slots.contains_key(&key) && slots.len() >= self.most {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.asked).map(|(key, _)| *key);
            oldest.and_then(|oldest| slots.remove(&oldest));
        }
        let slot = slots.entry(key).or_insert_with(|| Slot { asked: Instant::now(), kept: Arc::default() });
        slot.asked = Instant::now();
        Arc::clone(&slot.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn one_asks_for_all_and_the_answer_ends() {
        let (cache, asked) = (Cache::new(10), AtomicU32::new(0));
        let ask = |holds| {
            let asked = &asked;
            async move {
                tokio::task::yield_now().await;
                Ok((asked.fetch_add(1, Ordering::Relaxed), holds))
            }
        };
        let hour = Duration::from_secs(3_600);
        let (a, b) = tokio::join!(cache.get([1; 32], ask(hour)), cache.get([1; 32], ask(hour)));
        assert_eq!((a, b), (Ok(0), Ok(0)));
        assert_eq!(cache.get([2; 32], ask(Duration::ZERO)).await, Ok(1));
        assert_eq!(cache.get([2; 32], ask(hour)).await, Ok(2), "the one before had ended");
    }

    #[tokio::test]
    async fn failures_are_kept_for_a_moment_and_keys_are_bounded() {
        let cache = Cache::<u32>::new(2);
        let failed: Result<u32, String> = cache.get([1; 32], async { Err("down".to_owned()) }).await;
        assert_eq!(failed, Err("down".to_owned()));
        let second = cache.get([1; 32], async { panic!("not asked again at once") }).await;
        assert_eq!(second, Err("down".to_owned()));
        for key in 0..9 {
            let answer = cache.get([key; 32], async { Ok((7, Duration::from_secs(60))) }).await;
            assert!(key == 1 || answer == Ok(7));
        }
        assert_eq!(cache.slots.lock().unwrap().len(), 2);
    }
}
