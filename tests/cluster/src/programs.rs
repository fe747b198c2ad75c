//! Where the programs of a cluster are: those that `tests/envtest/build.sh` built in the folders of `TAPIR_ENVTEST`, etcd and
//! setpriv also on the `PATH`.

use crate::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Names the folders of the programs, separated as in `PATH`.
pub const PROGRAMS: &str = "TAPIR_ENVTEST";

/// The programs that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    folders: Vec<PathBuf>,
    pub(crate) etcd: PathBuf,
    pub(crate) kube_apiserver: PathBuf,
    pub(crate) kubectl: PathBuf,
    pub(crate) setpriv: PathBuf,
}

impl Programs {
    /// Those of `TAPIR_ENVTEST`. `None` where it is not set: no cluster was asked for.
    pub fn of_environment() -> Result<Option<Self>, Error> {
        match std::env::var_os(PROGRAMS) {
            Some(folders) if !folders.is_empty() => Self::of(std::env::split_paths(&folders).collect()).map(Some),
            _ => Ok(None),
        }
    }

    /// Those of these folders.
    pub fn of(folders: Vec<PathBuf>) -> Result<Self, Error> {
        let of_system = "install etcd-server and util-linux, or run `make tools-cluster`";
        let built = |name| find(name, &folders, None, BUILD);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let system = |name| find(name, &folders, Some(&path), of_system);
        let (etcd, setpriv) = (system("etcd")?, system("setpriv")?);
        let (kube_apiserver, kubectl) = (built("kube-apiserver")?, built("kubectl")?);
        Ok(Self { etcd, kube_apiserver, kubectl, setpriv, folders })
    }

    /// Another program that was built, `helm` or `kube-controller-manager`.
    pub fn other(&self, name: &'static str) -> Result<PathBuf, Error> {
        find(name, &self.folders, None, BUILD)
    }

    /// The folders, to be put before a `PATH`.
    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }
}

const BUILD: &str = "`make envtest` builds it and says what to set TAPIR_ENVTEST to";

fn find(
    name: &'static str,
    folders: &[PathBuf],
    path: Option<&OsString>,
    help: &'static str,
) -> Result<PathBuf, Error> {
    let more = path.map(std::env::split_paths).into_iter().flatten();
    let mut places = Vec::new();
    for folder in folders.iter().cloned().chain(more) {
        let file = folder.join(name);
        if is_program(&file) {
            return Ok(file);
        }
        places.push(folder.display().to_string());
    }
    Err(Error::Missing { name, places: places.join(":"), help })
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_named_with_the_places_and_what_to_do() {
        let error = find("kubectl", &["/nowhere".into(), "/proc".into()], None, BUILD).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no kubectl in /nowhere:/proc; `make envtest` builds it and says what to set TAPIR_ENVTEST to"
        );
    }

    #[test]
    fn files_that_cannot_be_run_are_passed_over() {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        assert!(find("Cargo.toml", &[here], None, BUILD).is_err());
        assert_eq!(find("sh", &["/nowhere".into(), "/bin".into()], None, BUILD).unwrap(), Path::new("/bin/sh"));
    }
}
