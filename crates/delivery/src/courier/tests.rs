//! Couriers against sinks that misbehave. Time is Tokio's and stands still, so hours pass at once.

use super::*;
use crate::record::Record;
use crate::sink::{BoxFuture, Delivery, Load, Outcome};
use crate::spool::Writer;
use crate::testing::{Folder, clock, new_records, number_of, open, small};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A sink made of a function.
struct Script<F>(F);

impl<F: FnMut(Vec<Record>) -> BoxFuture<'static, Delivery> + Send + 'static> Sink for Script<F> {
    fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
        (self.0)(batch.to_vec())
    }
}

fn script(mut answer: impl FnMut(Vec<u64>) -> Delivery + Send + 'static) -> Box<dyn Sink> {
    Box::new(Script(move |batch: Vec<Record>| -> BoxFuture<'static, Delivery> {
        let delivery = answer(batch.iter().map(number_of).collect());
        Box::pin(async move { delivery })
    }))
}

/// A receiver that keeps each id once.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<BTreeMap<u64, u32>>>);

impl Store {
    fn take(&self, n: u64) -> Outcome {
        let mut kept = self.0.lock().unwrap();
        let times = kept.entry(n).or_default();
        *times += 1;
        if *times == 1 { Outcome::Done } else { Outcome::Duplicate }
    }

    fn take_all(&self, batch: &[u64]) -> Delivery {
        Delivery::each(batch.iter().map(|n| self.take(*n)).collect())
    }

    fn has(&self) -> Vec<u64> {
        self.0.lock().unwrap().keys().copied().collect()
    }

    fn times(&self) -> Vec<u32> {
        self.0.lock().unwrap().values().copied().collect()
    }

    fn sink(&self) -> Box<dyn Sink> {
        let store = self.clone();
        script(move |batch| store.take_all(&batch))
    }
}

struct Bench {
    folder: Folder,
    writer: Writer,
    spool: Spool,
}

impl Bench {
    fn with(records: u64) -> Self {
        let folder = Folder::new();
        let (mut writer, spool) = open(&folder, small(), &clock());
        writer.append(&new_records(0, records)).unwrap();
        Self { folder, writer, spool }
    }

    fn config(&self, name: &str) -> CourierConfig {
        let letters = DeadLetterConfig::new(self.folder.path().join("dead"));
        CourierConfig { batch_records: 10, ..CourierConfig::new(name, letters) }
    }

    fn start(&self, name: &str, sink: Box<dyn Sink>) -> Courier {
        start(&self.spool, self.config(name), sink).unwrap()
    }

    fn letters(&self, name: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.folder.path().join(format!("dead/{name}.ndjson"))).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Lets time pass until it holds; a simulated day at most.
async fn until(what: impl Fn() -> bool) {
    for _ in 0..864_000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("a day has passed");
}

fn range(to: u64) -> Vec<u64> {
    (0..to).collect()
}

#[tokio::test(start_paused = true)]
async fn everything_is_delivered_in_order_and_not_again_after_a_restart() {
    let bench = Bench::with(95);
    let log = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&log);
    let courier = bench.start(
        "a",
        script(move |batch| {
            assert!(batch.len() <= 10);
            copy.lock().unwrap().extend_from_slice(&batch);
            Delivery::each(vec![Outcome::Done; batch.len()])
        }),
    );
    let stats = courier.shutdown(Duration::from_secs(60)).await;
    assert_eq!((stats.delivered, stats.requests, stats.lag_records, stats.lag_bytes), (95, 10, 0, 0));
    assert_eq!((stats.state, stats.last_error), (CourierState::Stopped, None));
    assert_eq!(*log.lock().unwrap(), range(95));
    let again = bench.start("a", script(|_| panic!("nothing is left"))).shutdown(Duration::from_secs(60)).await;
    assert_eq!(again.requests, 0);
}

#[tokio::test(start_paused = true)]
async fn a_courier_follows_the_writer_and_waits_a_little_for_a_batch_to_fill() {
    let mut bench = Bench::with(0);
    let store = Store::default();
    let courier = bench.start("a", store.sink());
    until(|| courier.stats().state == CourierState::Idle).await;
    let begin = Instant::now();
    bench.writer.append(&new_records(0, 3)).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(store.has().is_empty());
    until(|| store.has().len() == 3).await;
    assert!(begin.elapsed() >= Duration::from_secs(1), "it lingers");
    bench.writer.append(&new_records(3, 10)).unwrap();
    let begin = Instant::now();
    until(|| store.has().len() == 13).await;
    assert!(begin.elapsed() < Duration::from_millis(500), "a full batch goes at once");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_for_an_hour_costs_nothing_and_is_not_hammered() {
    let mut bench = Bench::with(50);
    let store = Store::default();
    let (inner, begin) = (store.clone(), Instant::now());
    let courier = bench.start(
        "a",
        script(move |batch| {
            if begin.elapsed() < Duration::from_secs(3600) {
                return Delivery::failed("connection refused");
            }
            inner.take_all(&batch)
        }),
    );
    tokio::time::sleep(Duration::from_secs(1800)).await;
    bench.writer.append(&new_records(50, 50)).unwrap();
    let stats = courier.stats();
    assert_eq!((stats.state, stats.lag_records), (CourierState::BackingOff, 100));
    assert!(stats.last_error.unwrap().0.contains("refused") && stats.lag_bytes > 1000);
    until(|| store.has().len() == 100).await;
    let stats = courier.shutdown(Duration::from_secs(60)).await;
    assert!(begin.elapsed() < Duration::from_secs(3600 + 310));
    assert!((15..40).contains(&stats.failed_requests), "{}", stats.failed_requests);
    assert_eq!((stats.delivered, stats.duplicates, stats.rejected, stats.lag_records), (100, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_or_panics_stops_no_other_and_is_tried_again() {
    let bench = Bench::with(30);
    let (store, late) = (Store::default(), Store::default());
    let (inner, mut calls) = (late.clone(), 0);
    let hanging = bench.start(
        "hanging",
        Box::new(Script(move |batch: Vec<Record>| -> BoxFuture<'static, Delivery> {
            calls += 1;
            let inner = inner.clone();
            Box::pin(async move {
                let delivery = inner.take_all(&batch.iter().map(number_of).collect::<Vec<_>>());
                match calls {
                    // It has stored them, and the answer never comes.
                    1 => std::future::pending().await,
                    2 => panic!("a fault"),
                    _ => delivery,
                }
            })
        })),
    );
    let other = bench.start("other", store.sink());
    let begin = Instant::now();
    until(|| store.has().len() == 30).await;
    assert!(begin.elapsed() < Duration::from_secs(5));
    until(|| hanging.stats().lag_records == 0).await;
    let stats = hanging.stats();
    assert_eq!((stats.timed_out, stats.failed_requests, stats.delivered, stats.duplicates), (1, 2, 20, 10));
    assert_eq!(late.has(), range(30));
    assert!(stats.last_error.unwrap().0.contains("panic"));
    assert_eq!(other.stats().failed_requests, 0);
}

#[tokio::test(start_paused = true)]
async fn only_the_records_that_failed_are_sent_again() {
    let bench = Bench::with(40);
    let store = Store::default();
    let (inner, mut calls) = (store.clone(), 0);
    let courier = bench.start(
        "a",
        script(move |batch| {
            calls += 1;
            let outcome = |n: &u64| {
                if calls % 2 == 1 && n % 2 == 1 { Outcome::Retry("queue full".into()) } else { inner.take(*n) }
            };
            Delivery::each(batch.iter().map(outcome).collect())
        }),
    );
    let stats = courier.shutdown(Duration::from_secs(600)).await;
    assert_eq!(store.has(), range(40));
    assert!(store.times().iter().all(|times| *times == 1));
    assert_eq!((stats.delivered, stats.retried, stats.requests), (40, 20, 8));
}

#[tokio::test(start_paused = true)]
async fn records_that_an_answer_does_not_speak_of_are_sent_again() {
    let bench = Bench::with(20);
    let store = Store::default();
    let (inner, mut calls) = (store.clone(), 0);
    let courier = bench.start(
        "a",
        script(move |batch| {
            calls += 1;
            // It answers 200 and drops the second half without a word.
            let half = if calls == 1 { batch.len() / 2 } else { batch.len() };
            inner.take_all(&batch[..half])
        }),
    );
    let stats = courier.shutdown(Duration::from_secs(600)).await;
    assert_eq!((store.has(), stats.retried), (range(20), 5));
    assert!(stats.last_error.unwrap().0.contains("did not speak"));
}

#[tokio::test(start_paused = true)]
async fn the_cursor_does_not_pass_a_record_that_is_not_through() {
    let bench = Bench::with(10);
    let store = Store::default();
    let inner = store.clone();
    let courier = bench.start(
        "a",
        script(move |batch| {
            let outcome = |n: &u64| if *n == 3 { Outcome::Retry("locked".into()) } else { inner.take(*n) };
            Delivery::each(batch.iter().map(outcome).collect())
        }),
    );
    until(|| courier.stats().delivered == 9).await;
    until(|| courier.stats().state == CourierState::BackingOff).await;
    assert_eq!(courier.stats().lag_records, 1);
    drop(courier);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stats = bench.start("a", store.sink()).shutdown(Duration::from_secs(60)).await;
    assert_eq!(store.has(), range(10));
    assert_eq!((stats.delivered, stats.duplicates), (1, 6), "3 anew, 4 to 9 a second time");
}

#[tokio::test(start_paused = true)]
async fn rejected_records_become_dead_letters_and_hold_nothing_up() {
    let bench = Bench::with(25);
    let courier = bench.start(
        "a",
        script(|batch| {
            let outcome = |n: &u64| match n {
                7 | 13 => Outcome::Reject("field `x` is no date".into()),
                8 => Outcome::Skipped,
                _ => Outcome::Done,
            };
            Delivery::each(batch.iter().map(outcome).collect())
        }),
    );
    let stats = courier.shutdown(Duration::from_secs(60)).await;
    assert_eq!((stats.delivered, stats.rejected, stats.skipped, stats.dead_letters), (22, 2, 1, 2));
    let letters = bench.letters("a");
    assert_eq!(letters.iter().map(|letter| &letter["event"]["n"]).collect::<Vec<_>>(), [7, 13]);
    assert_eq!(letters[0]["reason"], "field `x` is no date");
    assert!(letters[0]["id"].as_str().unwrap().ends_with("-7"));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_never_gets_through_is_given_up_but_an_absent_store_gives_up_nothing() {
    let bench = Bench::with(5);
    let mut calls = 0;
    let courier = bench.start(
        "a",
        script(move |batch| {
            calls += 1;
            if calls <= 100 {
                return Delivery::failed("down");
            }
            let outcome = |n: &u64| if *n == 2 { Outcome::Retry("busy".into()) } else { Outcome::Done };
            Delivery::each(batch.iter().map(outcome).collect())
        }),
    );
    until(|| courier.stats().lag_records == 0).await;
    let stats = courier.stats();
    assert_eq!((stats.delivered, stats.rejected, stats.failed_requests), (4, 1, 100));
    assert_eq!(bench.letters("a")[0]["reason"], "given up after 50 attempts: busy");
}

#[tokio::test(start_paused = true)]
async fn a_sink_with_a_slow_rate_of_its_own_gives_nothing_up() {
    let bench = Bench::with(30);
    let store = Store::default();
    let keep = store.clone();
    // One record a minute: the last of a batch is left untried more often than an attempt is allowed to fail.
    let slow = script(move |batch| {
        let mut outcomes = vec![Outcome::Untried; batch.len()];
        if let (Some(outcome), Some(n)) = (outcomes.first_mut(), batch.first()) {
            *outcome = keep.take(*n);
        }
        Delivery { retry_after: Some(Duration::from_secs(60)), ..Delivery::each(outcomes) }
    });
    let config = CourierConfig { max_attempts: 3, ..bench.config("a") };
    let courier = start(&bench.spool, config, slow).unwrap();
    until(|| courier.stats().delivered == 30).await;
    let stats = courier.stats();
    assert_eq!((stats.rejected, stats.retried, stats.failed_requests), (0, 0, 0));
    assert_eq!(store.has(), range(30));
}

#[tokio::test(start_paused = true)]
async fn batches_are_halved_under_load_and_grow_again() {
    let bench = Bench::with(200);
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&sizes);
    let courier = bench.start(
        "a",
        script(move |batch| {
            let mut sizes = copy.lock().unwrap();
            sizes.push(batch.len());
            if sizes.len() <= 3 {
                return Delivery { load: Load::Slower, ..Delivery::failed("429") };
            }
            Delivery::each(vec![Outcome::Done; batch.len()])
        }),
    );
    let stats = courier.shutdown(Duration::from_secs(600)).await;
    assert_eq!(stats.delivered, 200);
    let sizes = sizes.lock().unwrap();
    assert_eq!(sizes[..4], [10, 5, 2, 1]);
    assert_eq!(sizes.iter().max(), Some(&10));
    assert_eq!(sizes[sizes.len() - 2], 10, "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_too_large_for_the_receiver_is_found_by_halving_and_rejected() {
    let bench = Bench::with(20);
    let courier = bench.start(
        "a",
        script(|batch| {
            if batch.contains(&6) {
                return Delivery { load: Load::TooLarge, ..Delivery::failed("413 Content Too Large") };
            }
            Delivery::each(vec![Outcome::Done; batch.len()])
        }),
    );
    let begin = Instant::now();
    let stats = courier.shutdown(Duration::from_secs(600)).await;
    assert_eq!((stats.delivered, stats.rejected), (19, 1));
    assert!(bench.letters("a")[0]["reason"].as_str().unwrap().contains("413"));
    assert!(begin.elapsed() < Duration::from_secs(5), "halving needs no pause");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_time_gets_it() {
    let bench = Bench::with(5);
    let times = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&times);
    let courier = bench.start(
        "a",
        script(move |batch| {
            let mut times = copy.lock().unwrap();
            times.push(Instant::now());
            if times.len() == 1 {
                return Delivery { retry_after: Some(Duration::from_secs(90)), ..Delivery::failed("503") };
            }
            Delivery::each(vec![Outcome::Done; batch.len()])
        }),
    );
    until(|| courier.stats().delivered == 5).await;
    let times = times.lock().unwrap();
    assert!(times[1] - times[0] >= Duration::from_secs(90) && times[1] - times[0] < Duration::from_secs(92));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_keeps_its_deadline_and_the_rest_comes_after_the_next_start() {
    let bench = Bench::with(30);
    let courier = bench.start("a", script(|_| Delivery::failed("down")));
    let hanging =
        bench.start("b", Box::new(Script(|_| -> BoxFuture<'static, Delivery> { Box::pin(std::future::pending()) })));
    until(|| courier.stats().failed_requests > 3).await;
    let begin = Instant::now();
    let stats = courier.shutdown(Duration::from_secs(10)).await;
    assert!(begin.elapsed() <= Duration::from_secs(11));
    assert_eq!((stats.state, stats.lag_records), (CourierState::Stopped, 30));
    let begin = Instant::now();
    hanging.shutdown(Duration::from_secs(10)).await;
    assert!(begin.elapsed() <= Duration::from_secs(11));
    for name in ["a", "b"] {
        let store = Store::default();
        bench.start(name, store.sink()).shutdown(Duration::from_secs(60)).await;
        assert_eq!(store.has(), range(30));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_cap_took_is_in_the_figures() {
    let folder = Folder::new();
    let config = crate::SpoolConfig { max_bytes: 16384, ..small() };
    let (mut writer, spool) = open(&folder, config, &clock());
    let letters = DeadLetterConfig::new(folder.path().join("dead"));
    let config = CourierConfig { batch_records: 10, ..CourierConfig::new("a", letters) };
    let store = Store::default();
    let (inner, open_at) = (store.clone(), Instant::now() + Duration::from_secs(60));
    let sink =
        script(move |batch| if Instant::now() < open_at { Delivery::failed("down") } else { inner.take_all(&batch) });
    let courier = start(&spool, config, sink).unwrap();
    for n in 0..100 {
        writer.append(&new_records(n * 10, 10)).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    until(|| courier.stats().lag_records == 0).await;
    let stats = courier.shutdown(Duration::from_secs(60)).await;
    assert!(stats.lost_to_caps > 0 && stats.delivered > 10);
    assert_eq!((stats.delivered + stats.lost_to_caps, stats.duplicates), (1000, 0));
    assert_eq!(store.has().len() as u64, stats.delivered);
}

#[tokio::test(start_paused = true)]
async fn files_are_opened_anew_before_the_next_batch() {
    struct Reopened(Arc<Mutex<u32>>);
    impl Sink for Reopened {
        fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
            Box::pin(async { Delivery::each(vec![Outcome::Done; batch.len()]) })
        }

        fn reopen(&mut self) {
            *self.0.lock().unwrap() += 1;
        }

        fn figures(&self) -> Vec<(&'static str, u64)> {
            vec![("reopened", u64::from(*self.0.lock().unwrap()))]
        }
    }
    let mut bench = Bench::with(1);
    let count = Arc::new(Mutex::new(0));
    let courier = bench.start("a", Box::new(Reopened(Arc::clone(&count))));
    until(|| courier.stats().delivered == 1).await;
    courier.reopen();
    bench.writer.append(&new_records(1, 1)).unwrap();
    until(|| courier.stats().delivered == 2).await;
    assert_eq!(*count.lock().unwrap(), 1);
    assert_eq!(courier.stats().figures, [("reopened", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_is_asked_for_what_is_due_though_nothing_comes_and_a_panic_there_ends_nothing() {
    #[derive(Default)]
    struct Due(Arc<Mutex<u32>>);
    impl Sink for Due {
        fn deliver<'a>(&'a mut self, batch: &'a [Record]) -> BoxFuture<'a, Delivery> {
            Box::pin(async { Delivery::each(vec![Outcome::Done; batch.len()]) })
        }

        fn due(&self) -> Option<std::time::Instant> {
            (*self.0.lock().unwrap() < 3).then(std::time::Instant::now)
        }

        fn tick(&mut self) -> BoxFuture<'_, ()> {
            let asked = {
                let mut asked = self.0.lock().unwrap();
                *asked += 1;
                *asked
            };
            assert_ne!(asked, 1, "the first time");
            Box::pin(async {})
        }
    }
    let mut bench = Bench::with(1);
    let (count, begin) = (Arc::new(Mutex::new(0)), Instant::now());
    // As it is used: behind the sink that hides what is suppressed.
    let sink = Box::new(crate::sinks::Visible::new(Box::new(Due(Arc::clone(&count)))));
    let courier = bench.start("a", sink);
    until(|| *count.lock().unwrap() == 3).await;
    assert!(begin.elapsed() >= Duration::from_millis(150), "never without a pause");
    assert!(courier.stats().last_error.is_some_and(|(why, _)| why.contains("panic")));
    bench.writer.append(&new_records(1, 1)).unwrap();
    until(|| courier.stats().delivered == 2).await;
    assert_eq!(*count.lock().unwrap(), 3);
}
