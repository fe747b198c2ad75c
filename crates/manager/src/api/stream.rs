//! The live stream: groups that changed, as server-sent events.
//!
//! Events: `group` `{rows, gone}` (at most 50 rows; `gone`: groups that the filter shows no more), `count` (groups of
//! each state), `health`, and `reset` when the list must be loaded anew. The `id` of events is a cursor; a browser sends
//! the last one when it connects again, so nothing is lost. Changes within 250 ms come together.
//!
//! A stream ends when its reader signs out, and within seconds when the session or token is over, or gives less or more than
//! at the start: browsers connect again and are looked at anew.
//! *Limits*: [`crate::Limits::streams`]; 8 events wait for a slow reader, then nothing is asked until it has read.

use super::filter::{Asked, Unsaid, list_params};
use super::group_form::{Group, recent};
use crate::app::{App, State, now};
use crate::auth::{Caller, Pass, Realm};
use crate::problem::{Answer, Params, Problem};
use crate::sight::Sight;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tapir_store::{EventStore, Filter};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

const COALESCE: Duration = Duration::from_millis(250);
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Looks without being told, for what came into the store by another way.
const LOOK: Duration = Duration::from_secs(5);
const COUNT: Duration = Duration::from_secs(1);
/// Whether the reader may still read is asked this often, and when a session was closed.
const CHECK: Duration = Duration::from_secs(1);
const ROWS: usize = 50;
const WAITING: usize = 8;

/// Wakes streams when something has changed.
pub(crate) struct Live {
    changes: watch::Sender<()>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { changes: watch::Sender::new(()) }
    }

    /// Something was written to the store.
    pub(crate) fn changed(&self) {
        self.changes.send_replace(());
    }
}

list_params! {
    /// Parameters of the live stream.
    StreamParams {
        /// `id` of the last event that was seen; `Last-Event-ID` goes before it. Without either: from now on.
        after: Option<String>,
    }
}

#[derive(Serialize)]
struct Rows {
    rows: Vec<Group>,
    gone: Vec<String>,
}

#[derive(Serialize)]
struct HealthNow {
    events: u64,
    queued: u64,
    failing: bool,
    nodes_active: usize,
    nodes: usize,
}

/// Groups that changed, as they change.
#[utoipa::path(get, path = "/alerts/stream", tag = "live", params(StreamParams),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 503, body = Problem)))]
pub(super) async fn stream(
    state: State,
    caller: Caller,
    sight: Sight,
    headers: HeaderMap,
    Params(params): Params<StreamParams>,
) -> Answer<Sse<impl futures_core::Stream<Item = Result<Event, Infallible>>>> {
    // Said now and not in the stream: a wrong query is a 400.
    params.asked().filter(Unsaid::Open)?;
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).or(params.after.as_deref());
    let seen = seen.map(|id| id.parse::<u64>()).transpose();
    let current = sight.last_change().await?;
    let permit = Arc::clone(&state.streams).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::busy("too many live streams; close a window, or poll groups"))?;
    let (at, reset) = match seen {
        Ok(None) => (current, false),
        Ok(Some(seen)) if seen <= current => (seen, false),
        // Not one of this store: another file, or one from a backup.
        _ => (current, true),
    };
    let (events, receiver) = mpsc::channel(WAITING);
    let app = Arc::clone(&state);
    app.metrics.stream(1);
    tokio::spawn(async move {
        let reader =
            Reader { pass: caller.pass, realm: caller.identity.realm, held: Instant::now(), due: Instant::now() };
        let mut feed = Feed { app: Arc::clone(&app), sight, reader, params, events, at };
        // `None`: the reader has gone.
        let _ = feed.run(reset).await;
        app.metrics.stream(-1);
        drop(permit);
    });
    Ok(Sse::new(Receiver(receiver)).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("still here")))
}

struct Receiver(mpsc::Receiver<Event>);

impl futures_core::Stream for Receiver {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|event| event.map(Ok))
    }
}

/// Who reads a stream.
struct Reader {
    pass: Pass,
    /// What he may do, as it was at the start.
    realm: Realm,
    /// When that was last found to hold.
    held: Instant,
    /// When to ask again.
    due: Instant,
}

impl Reader {
    /// It is so still, as far as anybody knows.
    async fn may(&mut self, app: &App) -> bool {
        if Instant::now() < self.due {
            return true;
        }
        match app.auth.holds(&self.pass).await {
            Ok(identity) if identity.can.read && identity.realm == self.realm => self.held = Instant::now(),
            // Who vouches for him does not answer: that turns nobody away at once.
            Err(problem) if problem.status == 503 && self.held.elapsed() < app.config.limits.stream => {}
            _ => return false,
        }
        self.due = Instant::now() + CHECK;
        true
    }
}

struct Feed {
    app: Arc<App>,
    sight: Sight,
    reader: Reader,
    params: StreamParams,
    events: mpsc::Sender<Event>,
    /// Count of changes up to which the reader knows all.
    at: u64,
}

impl Feed {
    async fn run(&mut self, reset: bool) -> Option<()> {
        let mut changes = self.app.live.changes.subscribe();
        let mut ending = self.app.ending.clone();
        let mut closed = self.app.auth.closed();
        if reset {
            self.send("reset", &serde_json::json!({ "why": "the list is from another store" })).await?;
        }
        let mut next_health = Instant::now();
        let mut last_count: Option<Instant> = None;
        let mut count_due = true;
        loop {
            if !self.reader.may(&self.app).await {
                return None;
            }
            count_due |= self.groups().await?;
            if count_due && last_count.is_none_or(|last| last.elapsed() >= COUNT) {
                self.counts().await?;
                (last_count, count_due) = (Some(Instant::now()), false);
            }
            if Instant::now() >= next_health {
                self.health().await?;
                next_health = Instant::now() + HEARTBEAT;
            }
            let wait = if count_due { COUNT } else { LOOK };
            tokio::select! {
                _ = ending.wait_for(|end| *end) => return None,
                () = self.events.closed() => return None,
                _ = closed.changed() => {
                    self.reader.due = Instant::now();
                    continue;
                }
                changed = timeout(wait, changes.changed()) => {
                    if matches!(changed, Ok(Err(_))) {
                        return None;
                    }
                }
            }
            sleep(COALESCE).await;
            changes.mark_unchanged();
        }
    }

    fn filter(&self, status: Unsaid) -> Option<Filter> {
        // It was checked at the start; times move along.
        self.params.asked().filter(status).ok()
    }

    /// Sends what changed; whether there was something.
    async fn groups(&mut self) -> Option<bool> {
        let mut any = false;
        loop {
            let mut filter = self.filter(Unsaid::Open)?;
            if self.params.from.is_none() {
                filter.from = None;
            }
            // A store that is busy now is asked again at the next turn; the reader has lost nothing.
            let Ok(found) = self.sight.changes(filter, self.at, ROWS).await else { return Some(any) };
            self.at = found.at;
            if !found.groups.is_empty() || !found.gone.is_empty() {
                any = true;
                let gone = found.gone.iter().map(ToString::to_string).collect();
                let rows = recent(&self.sight, found.groups, now()).await;
                self.send("group", &Rows { rows, gone }).await?;
            }
            if !found.more {
                return Some(any);
            }
        }
    }

    async fn counts(&mut self) -> Option<()> {
        // The range of the inbox; states are what is counted.
        let asked = Asked { status: Some("all"), ..self.params.asked() };
        let filter = asked.filter(Unsaid::All).ok()?;
        match super::groups::count(&self.sight, &filter).await {
            Ok(counts) => self.send("count", &counts).await,
            Err(_) => Some(()),
        }
    }

    async fn health(&mut self) -> Option<()> {
        let Ok(store) = self.sight.health().await else { return Some(()) };
        let (nodes_active, nodes) = self.app.fleet.alive();
        let failing = store.last_write_error.is_some();
        self.send("health", &HealthNow { events: store.events, queued: store.queued, failing, nodes_active, nodes })
            .await
    }

    async fn send(&mut self, name: &str, body: &impl Serialize) -> Option<()> {
        let event = Event::default().event(name).id(self.at.to_string()).json_data(body).ok()?;
        self.events.send(event).await.ok()
    }
}
