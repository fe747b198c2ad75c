//! `tapir operator`, `tapir install` and `tapir prepare-node`: Tapir in a cluster.

use crate::args::SandboxArg;
use crate::args::cluster::{CalicoCrds, CompatArg, InstallArgs, InstallOptions, OperatorArgs, PrepareArgs, YesNo};
use crate::identity::host_name;
use crate::message::Messages;
use clap::ValueEnum;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use tapir_kubernetes::interface::Prefixes;
use tapir_operator::health::Health;
use tapir_operator::install::Made;
use tapir_operator::names::{Compat, WEBHOOKS};
use tapir_operator::object::Object;
use tapir_operator::options::{ManagerOptions, Options, Sandbox};
use tapir_operator::{Config, install};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Runs `tapir operator`.
pub fn run(args: &OperatorArgs, messages: &Messages) -> Result<u8, String> {
    let options = options(&args.options)?;
    runtime()?.block_on(async {
        let client = tapir_operator::client(args.kubeconfig.as_deref()).await?;
        let listener = TcpListener::bind(args.health)
            .await
            .map_err(|error| format!("--health {}: {error}; choose another address", args.health))?;
        let at = listener.local_addr().map_err(|error| error.to_string())?;
        let log = *messages;
        let say = move |text: &str, is_bad: bool| if is_bad { log.warning(text) } else { log.info(text) };
        let identity = args.identity.clone().unwrap_or_else(host_name);
        let agents = options.agent();
        messages.info(&format!(
            "operator {identity} in {}; agents are {}/{}; health at http://{at}",
            options.namespace, agents.namespace, agents.name
        ));
        let config = Config { options, identity, say: Arc::new(say) };
        let caught = |kind| signal(kind).map_err(|error| format!("cannot catch signals: {error}"));
        let (mut term, mut int) = (caught(SignalKind::terminate())?, caught(SignalKind::interrupt())?);
        match tapir_operator::run(client, config, listener, Health::new(), stop(&mut term, &mut int)).await {
            None => Ok(0),
            Some(why) => Err(format!("{why}; ending, so that another may lead")),
        }
    })
}

async fn stop(term: &mut tokio::signal::unix::Signal, int: &mut tokio::signal::unix::Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// Runs `tapir install`.
pub fn install(args: &InstallArgs, messages: &Messages) -> Result<u8, String> {
    let options = options(&args.options)?;
    runtime()?.block_on(async {
        let client = tapir_operator::current(args.kubeconfig.as_deref(), args.context.as_deref()).await;
        // What is printed with a fixed choice needs no cluster.
        let client = match (client, args.print && args.calico_crds != CalicoCrds::Absent) {
            (_, true) => None,
            (client, false) => client?,
        };
        let foreign = match &client {
            Some(client) if args.calico_crds == CalicoCrds::Absent => tapir_operator::foreign_definitions(client)
                .await
                .map_err(|why| format!("cannot see which definitions the cluster has: {why}; or say --calico-crds"))?,
            _ => Vec::new(),
        };
        for name in &foreign {
            messages.info(&format!("{name}: the cluster has it from somebody else; it is left as it is"));
        }
        if client.is_none() && args.print && args.calico_crds == CalicoCrds::Absent {
            messages.warning(
                "no cluster was asked: Calico's definitions are printed, too. Where Calico Enterprise or Cloud owns them, say \
                 --calico-crds never",
            );
        }
        let wanted = |name: &str| args.calico_crds != CalicoCrds::Never && !foreign.iter().any(|one| one == name);
        let mut objects: Vec<Object> = install::definitions(wanted).into_iter().map(Object).collect();
        let mut made = Made::ALL;
        if let Some(client) = &client {
            let agents = tapir_operator::whose_namespace(client, options.agent().namespace).await?;
            if let Some(whose) = &agents {
                messages.info(&install::shared(&options, whose));
            }
            let webhooks = tapir_operator::whose_namespace(client, WEBHOOKS).await?;
            made = Made { agents: agents.is_none(), webhooks: webhooks.is_none() };
        }
        objects.extend(install::operator(&options, made));
        if args.print {
            let text = install::yaml(objects.iter().map(|object| &object.0));
            let mut out = std::io::stdout().lock();
            return match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
                _ => Ok(0),
            };
        }
        let Some(client) = client else {
            return Err("no cluster: kubectl has no current context; give --kubeconfig, or --print".to_owned());
        };
        for object in &objects {
            let what = tapir_operator::put(&client, object).await?;
            println!("{}: {what}", object.in_words());
        }
        Ok(0)
    })
}

/// Runs `tapir prepare-node`: gives a directory and what is in it to a user.
pub fn prepare(args: &PrepareArgs) -> Result<u8, String> {
    let me = Path::new("/proc/self").metadata().map_err(|error| format!("/proc/self: {error}"))?.uid();
    own(&args.directory, args.user, me, 0)?;
    Ok(0)
}

/// Directories below each other that are gone through.
const DEPTH: u32 = 8;

/// Gives it to `user`; `me` is who does so, with CAP_CHOWN and no right to look into what is another's.
fn own(path: &Path, user: u32, me: u32, depth: u32) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let give = |to: u32| std::os::unix::fs::lchown(path, Some(to), Some(to)).map_err(failed);
    let meta = path.symlink_metadata().map_err(failed)?;
    let mut owner = (meta.uid(), meta.gid());
    // A directory is given away after what is in it, so that one that is another's already is done. One of our own that is to stay so may
    // have been left half way.
    if meta.is_dir() && depth < DEPTH && (meta.uid() != user || user == me) {
        if meta.uid() != me {
            give(me)?;
            owner = (me, me);
        }
        for entry in path.read_dir().map_err(failed)? {
            own(&entry.map_err(failed)?.path(), user, me, depth + 1)?;
        }
    }
    if owner != (user, user) { give(user) } else { Ok(()) }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| format!("cannot start: {error}"))
}

fn options(args: &InstallOptions) -> Result<Options, String> {
    let default = Options::default();
    let label = |name: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !name.is_empty() && name.len() <= 63 && name.bytes().all(fits) && !name.starts_with('-') && !name.ends_with('-')
    };
    if !label(&args.namespace) {
        return Err(format!("--namespace {}: lower-case letters, digits and dashes, 63 at most", args.namespace));
    }
    if args.agent_health.port() == 0 {
        return Err(format!("--agent-health {}: probes need a port to ask", args.agent_health));
    }
    // As the agent does, which would end with it on every node.
    Prefixes::default()
        .with_calico(&args.interface_prefix)
        .map_err(|error| format!("--interface-prefix {}: {error}", args.interface_prefix))?;
    if [Compat::Calico, Compat::None].iter().any(|compat| compat.agent().namespace == args.namespace) {
        return Err(format!(
            "--namespace {}: that is the agents', who may read its Secrets; operator and manager need one of their own",
            args.namespace
        ));
    }
    let manager = ManagerOptions {
        storage: args.storage.clone(),
        storage_class: args.storage_class.clone().filter(|class| !class.is_empty()),
        public_url: args.public_url.clone().filter(|url| !url.is_empty()),
        honour: args.honour.iter().filter_map(|kind| Some(kind.to_possible_value()?.get_name().to_owned())).collect(),
    };
    if let Some(url) = &manager.public_url
        && !url.starts_with("https://")
        && !url.starts_with("http://")
    {
        return Err(format!("--public-url {url}: begins with https://"));
    }
    Ok(Options {
        namespace: args.namespace.clone(),
        compat: match args.compat {
            CompatArg::Calico => Compat::Calico,
            CompatArg::None => Compat::None,
        },
        image: args.image.clone().unwrap_or(default.image),
        pull_policy: args.pull_policy.clone(),
        pull_secrets: args.pull_secret.iter().filter(|name| !name.is_empty()).cloned().collect(),
        cluster: args.cluster.clone(),
        interface_prefix: args.interface_prefix.clone(),
        agent_health: args.agent_health,
        host_pid: args.host_pid,
        inside_pods: args.inside_pods,
        sandbox: match args.sandbox {
            SandboxArg::On => Sandbox::On,
            SandboxArg::Off => Sandbox::Off,
            SandboxArg::Require => Sandbox::Require,
        },
        run_as_root: args.run_as_root,
        manager: (args.manager == YesNo::Yes).then_some(manager),
    })
}
