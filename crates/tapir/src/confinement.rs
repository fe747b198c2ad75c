//! What `tapir agent` keeps of what it may: which capabilities, which files, and why.
//!
//! *How it fits*: worked out of the command line and the configuration; [`tapir_sandbox`] gives the rest up.
//!
//! *Invariants*: a folder is read where the user names it, or a file in it: editors and Kubernetes replace files, so that a file alone
//! would be lost. Of homes and of folders at the top of the tree (`/etc`, `/tmp`) only the file itself is.
//!
//! *Limits*: what is not there when the agent begins is not readable later. Files that a configuration of kubectl names are; programs
//! that it wants started are refused here, with a way out.

use crate::args::{AgentArgs, InsideArg, SandboxArg};
use crate::settings::Settings;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use tapir_sandbox::{Capabilities, Files, Mode};

/// What the system keeps for everybody: names of hosts, authorities, libraries that name services load, and what the kernel shows.
const SYSTEM: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/dev/null",
    "/dev/urandom",
    "/proc",
    "/sys/class/net",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
];
/// Where a pod finds its token for the API server.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Where systemd's resolver and others keep what `/etc/resolv.conf` leads to; replaced as networks change.
const RESOLVERS: &[&str] = &["/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf"];
/// Other bundles of authorities.
const AUTHORITIES: &[&str] = &["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Whether there is a sandbox: the flag wins over the file.
pub fn mode(args: &AgentArgs, settings: &Settings) -> Mode {
    match args.sandbox.or(settings.sandbox) {
        None | Some(SandboxArg::On) => Mode::On,
        Some(SandboxArg::Off) => Mode::Off,
        Some(SandboxArg::Require) => Mode::Require,
    }
}

/// What the thread keeps that opens for the others: NET_RAW for packet sockets, and where network namespaces may have to be entered
/// SYS_ADMIN for that, SYS_PTRACE to find them by a process.
pub fn of_porter(args: &AgentArgs) -> Capabilities {
    let enters = args.inside_pods != InsideArg::Never || args.netns.is_some() || args.resources.is_some();
    let entering = if enters { Capabilities::SYS_ADMIN | Capabilities::SYS_PTRACE } else { Capabilities::empty() };
    Capabilities::NET_RAW | entering
}

/// What all others keep: nothing, unless health is to be served at a port that takes a capability.
pub fn of_others(args: &AgentArgs) -> Capabilities {
    let is_privileged = (1..1024).contains(&args.health.port());
    if is_privileged { Capabilities::NET_BIND_SERVICE } else { Capabilities::empty() }
}

/// Files that the agent reads and writes; folders to write in are made. `rules` are the files of rules that were read.
pub fn files(args: &AgentArgs, settings: &Settings, rules: &[PathBuf]) -> Result<Files, String> {
    let mut files = Files { ports: [args.health.port()].into(), ..Files::default() };
    let read = &mut files.read;
    read.extend(SYSTEM.iter().chain(RESOLVERS).map(PathBuf::from));
    read.extend(AUTHORITIES.iter().filter_map(std::env::var_os).map(PathBuf::from));
    read.extend([args.proc.clone(), args.snort_rules.clone()]);
    let given = args.rule_args.config.iter().chain(&args.resources).chain(&settings.sources.files).chain(rules);
    given.for_each(|path| name(read, path));
    args.outside.rules_credentials.iter().chain(&args.outside.rules_ca).for_each(|path| name(read, path));
    if args.resources.is_none() {
        match &args.kubeconfig {
            Some(path) => kubectl(read, path)?,
            None => drop(read.insert(ACCOUNT.into())),
        }
    }
    // Resources may ask for rules from outside later. Where no folder can be made no copies are kept, which is told then.
    if std::fs::create_dir_all(&args.outside.rules_cache).is_ok() {
        files.write.insert(args.outside.rules_cache.clone());
    }
    let read = &mut files.read;
    if let Some(table) = &settings.delivery {
        table.reads().into_iter().for_each(|path| name(read, path));
        let folders = std::iter::once(table.spool.as_path()).chain(table.writes().into_iter().map(folder));
        for path in folders {
            std::fs::create_dir_all(path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
            files.write.insert(path.to_owned());
        }
    }
    Ok(files)
}

/// Takes in a path that people have named, and where it leads.
fn name(read: &mut BTreeSet<PathBuf>, path: &Path) {
    read.insert(path.to_owned());
    if path.is_dir() {
        return;
    }
    for place in [std::path::absolute(path), path.canonicalize()].into_iter().flatten() {
        let folder = folder(&place);
        if !is_broad(folder) {
            read.insert(folder.to_owned());
        }
    }
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    let folder = path.parent().unwrap_or(path);
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Whether a folder has more in it than anybody means who names a file of it: those at the top of the tree, and homes.
fn is_broad(folder: &Path) -> bool {
    let depth = folder.components().filter(|part| matches!(part, Component::Normal(_))).count();
    let is_home = folder.parent() == Some(Path::new("/home"))
        || std::env::var_os("HOME").is_some_and(|home| Path::new(&home) == folder);
    depth <= 1 || is_home
}

/// Takes in the files of a configuration of kubectl.
fn kubectl(read: &mut BTreeSet<PathBuf>, path: &Path) -> Result<(), String> {
    name(read, path);
    // What is wrong with it is told by who connects.
    let Ok(file) = kube::config::Kubeconfig::read_from(path) else { return Ok(()) };
    let context = file.contexts.iter().find(|one| Some(&one.name) == file.current_context.as_ref());
    let user = context.and_then(|one| one.context.as_ref()?.user.clone());
    let mut named: Vec<String> = Vec::new();
    for one in file.auth_infos.iter().filter(|one| Some(&one.name) == user.as_ref()) {
        let Some(info) = &one.auth_info else { continue };
        if info.exec.is_some() || info.auth_provider.is_some() {
            return Err(format!(
                "{}: user {} signs in by a program, which the sandbox does not let the agent start; use a token or a certificate, or \
                 --sandbox off",
                path.display(),
                one.name
            ));
        }
        named.extend([&info.client_certificate, &info.client_key, &info.token_file].into_iter().flatten().cloned());
    }
    let clusters = file.clusters.iter().filter_map(|one| one.cluster.as_ref());
    named.extend(clusters.filter_map(|cluster| cluster.certificate_authority.clone()));
    named.iter().for_each(|file| name(read, Path::new(file)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn args(line: &str) -> Box<AgentArgs> {
        let words = ["tapir", "agent"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).expect(line).command {
            Command::Agent(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn settings(args: &AgentArgs) -> Settings {
        crate::settings::resolve(&args.rule_args, &[], None).expect("settings")
    }

    #[test]
    fn capabilities_are_those_that_the_command_line_takes() {
        let entering = Capabilities::NET_RAW | Capabilities::SYS_ADMIN | Capabilities::SYS_PTRACE;
        assert_eq!(of_porter(&args("")), entering);
        assert_eq!(of_porter(&args("--inside-pods never")), Capabilities::NET_RAW);
        assert_eq!(of_porter(&args("--inside-pods never --resources /r --netns blue")), entering);
        assert_eq!(of_others(&args("")), Capabilities::empty());
        assert_eq!(of_others(&args("--health 127.0.0.1:0")), Capabilities::empty());
        assert_eq!(of_others(&args("--health 127.0.0.1:80")), Capabilities::NET_BIND_SERVICE);
    }

    #[test]
    fn the_flag_wins_over_the_file() {
        let folder = std::env::temp_dir().join(format!("tapir-confinement-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("folder");
        let file = folder.join("tapir.toml");
        std::fs::write(&file, "sandbox = \"require\"\n").expect("file");
        let with = |line: &str| {
            let args = args(&format!("--config {} {line}", file.display()));
            mode(&args, &settings(&args))
        };
        assert_eq!((with(""), with("--sandbox off")), (Mode::Require, Mode::Off));
        assert_eq!(mode(&args(""), &settings(&args(""))), Mode::On);
        std::fs::remove_dir_all(&folder).expect("folder");
    }

    #[test]
    fn what_is_named_can_be_read_and_its_folder_unless_that_is_a_broad_one() {
        for (path, broad) in
            [("/", true), ("/etc", true), ("/home/me", true), ("/etc/tapir", false), ("/home/me/x", false)]
        {
            assert_eq!(is_broad(Path::new(path)), broad, "{path}");
        }
        let root = std::env::temp_dir().join(format!("tapir-confined-{}", std::process::id()));
        std::fs::create_dir_all(root.join("real")).expect("folder");
        std::fs::write(root.join("real/a.rules"), "").expect("file");
        std::os::unix::fs::symlink("real/a.rules", root.join("a.rules")).expect("link");
        let mut read = BTreeSet::new();
        name(&mut read, &root.join("a.rules"));
        let real = root.canonicalize().expect("path").join("real");
        assert!(read.contains(&root) && read.contains(&real), "{read:?}");
        let mut read = BTreeSet::new();
        name(&mut read, Path::new("/etc/hostname"));
        assert!(!read.contains(Path::new("/etc")), "{read:?}");

        let text = format!(
            "[delivery]\nspool = \"{0}/spool\"\n[[delivery.sink]]\nname = \"f\"\nfile = {{ path = \"{0}/out/alerts\" }}\n\
             [[delivery.sink]]\nname = \"m\"\nmanager = {{ url = \"https://m\", token_file = \"{0}/token/token\" }}\n",
            root.display()
        );
        std::fs::write(root.join("tapir.toml"), text).expect("file");
        let root_text = root.display();
        let args = args(&format!(
            "--config {root_text}/tapir.toml --rules {root_text}/real --rules-cache {root_text}/copies --rules-ca {root_text}/trust/ca.pem"
        ));
        let files = files(&args, &settings(&args), &["/opt/included/x.rules".into()]).expect("files");
        for path in [
            root.join("real"),
            root.join("token"),
            root.join("trust"),
            ACCOUNT.into(),
            "/opt/included".into(),
            "/proc".into(),
        ] {
            assert!(files.read.contains(&path), "{path:?} {files:?}");
        }
        assert_eq!(files.write, [root.join("spool"), root.join("out"), root.join("copies")].into());
        assert!(root.join("out").is_dir());
        std::fs::remove_dir_all(&root).expect("folder");
    }

    #[test]
    fn a_user_who_signs_in_by_a_program_is_refused_with_a_way_out() {
        let root = std::env::temp_dir().join(format!("tapir-kubectl-{}", std::process::id()));
        std::fs::create_dir_all(&root).expect("folder");
        let path = root.join("config");
        let of = |user: &str| {
            let text = format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
                 clusters: [{{name: k, cluster: {{server: \"https://x\", certificate-authority: pki/ca.crt}}}}]\n\
                 users: [{{name: u, user: {user}}}, {{name: other, user: {{exec: {{command: x}}}}}}]\n"
            );
            std::fs::write(&path, text).expect("file");
            let mut read = BTreeSet::new();
            kubectl(&mut read, &path).map(|()| read)
        };
        let error = of("{exec: {command: aws, apiVersion: client.authentication.k8s.io/v1}}").expect_err("refused");
        assert!(error.contains("user u") && error.contains("--sandbox off"), "{error}");
        let read = of("{tokenFile: secrets/token}").expect("files");
        assert!(read.contains(&root.join("pki")) && read.contains(&root.join("secrets")), "{read:?}");
        std::fs::remove_dir_all(&root).expect("folder");
    }
}
