//! [`Manager`]: a bound, not yet serving manager, and [`run`], which does both.

use crate::app::App;
use crate::auth::{Auth, NewTokens};
use crate::config::Config;
use crate::error::ManagerError;
use crate::metrics::Metrics;
use crate::sight::Vault;
use crate::tls::{Doors, Tls};
use crate::{api, guard, pages, serve};
use axum::Router;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tapir_store::EventStore;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// A manager that listens and does not serve yet.
pub struct Manager {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    app: Arc<App>,
    end: watch::Sender<bool>,
    tls: Option<Arc<Tls>>,
    new_tokens: NewTokens,
}

impl Manager {
    /// Reads the data directory and the rules, and binds the address.
    pub async fn bind(config: Config, store: Arc<dyn EventStore>) -> Result<Self, ManagerError> {
        let metrics = Metrics::new(config.resources.as_deref());
        let mut tls = None;
        if let Some(files) = &config.tls {
            let doors = Doors::new(config.limits.handshakes, config.limits.handshakes_of_one);
            let (opened, certificate) = Tls::open(files, doors)?;
            metrics.certificate(certificate.not_after);
            if certificate.is_over(crate::app::now()) {
                let path = files.certificate.display();
                config.notices.warn(&format!("the certificate in {path} is over: nobody will trust it; renew it"));
            }
            tls = Some(Arc::new(opened));
        }
        let pages = pages::Pages::open(config.pages.as_deref())?;
        let at = config.listen;
        let listen = |source| ManagerError::Listen { address: at, source };
        let listener = TcpListener::bind(at).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        // Last: tokens are shown once, and not by a start that fails.
        let (auth, new_tokens) = Auth::new(&config, &store)?;
        let (end, ending) = watch::channel(false);
        let app = Arc::new(App {
            auth,
            metrics,
            live: api::Live::new(),
            fleet: api::Fleet::new(config.limits.nodes),
            unseen: api::History::new(),
            orders: api::Orders::new(),
            rules: api::RuleList::load(&config.rules, config.built_in_rules, &config.rule_config),
            rule_sets: api::RuleSets::default(),
            requests: Arc::new(Semaphore::new(config.limits.requests)),
            streams: Arc::new(Semaphore::new(config.limits.streams)),
            ending,
            store: Vault::new(store),
            config,
        });
        let router = api::router(&app)
            .merge(pages::router(pages))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), guard::guard))
            .with_state(Arc::clone(&app));
        Ok(Self { listener, address, router, app, end, tls, new_tokens })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tokens that were made just now, by name (`admin`, `agent`): to be shown once, they are kept nowhere.
    pub fn new_tokens(&self) -> &[(&'static str, String)] {
        &self.new_tokens
    }

    /// A link to a page (`/alerts?q=…`) that signs the administrator in, once. The word in its fragment is as good as
    /// the administrator's token until it is used: show it to nobody else.
    pub fn sign_in_link(&self, page: &str) -> Result<String, ManagerError> {
        let word = self.app.auth.link_word()?;
        let base = match &self.app.config.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.address),
        };
        Ok(format!("{base}{page}#sign-in={word}"))
    }

    /// Tells live streams that something was written to the store by another way than this manager's API.
    pub fn changed(&self) -> impl Fn() + Send + Sync + 'static {
        let app = Arc::clone(&self.app);
        move || app.live.changed()
    }

    /// For who works on the same store beside it.
    pub fn beside(&self) -> Beside {
        Beside(Arc::clone(&self.app))
    }

    /// Serves until `shutdown` is done, then lets open requests finish for a while.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { listener, router, app, end, tls, .. } = self;
        let watching = tls.as_ref().map(|tls| tokio::spawn(Arc::clone(tls).watch(Arc::clone(&app))));
        let serving = serve::serve(listener, router, Arc::clone(&app), tls);
        let ending = async {
            shutdown.await;
            // Whoever listens for it is serving still.
            let _ = end.send(true);
        };
        tokio::join!(serving, ending);
        if let Some(watching) = watching {
            watching.abort();
        }
    }
}

/// A manager as seen by who changes its store by another way than its API.
#[derive(Clone)]
pub struct Beside(Arc<App>);

impl Beside {
    /// Lists show other things than before: pages are told.
    pub fn changed(&self) {
        self.0.live.changed();
    }

    /// Suppressions were made, changed or removed: pages and nodes are told.
    pub async fn suppressions_changed(&self) {
        self.0.live.changed();
        self.0.orders.changed(&self.0).await;
    }

    /// How many nodes apply a suppression, of how many, and how many events they have dropped for it.
    pub fn applying(&self, suppression: &str) -> (usize, usize, u64) {
        self.0.fleet.applying(suppression)
    }
}

/// Binds, tells `started`, and serves until `shutdown`.
pub async fn run(
    config: Config,
    store: Arc<dyn EventStore>,
    started: impl FnOnce(&Manager),
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ManagerError> {
    let manager = Manager::bind(config, store).await?;
    started(&manager);
    manager.serve(shutdown).await;
    Ok(())
}
