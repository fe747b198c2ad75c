//! How names of interfaces begin, where the plugin lets people choose.

use super::MAX_PREFIXES;

/// Prefixes of the plugins that have a setting for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefixes {
    calico: Vec<String>,
    aws: String,
}

/// Why a prefix cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// More than [`MAX_PREFIXES`], or none.
    #[error("{0} prefixes for Calico: name 1 to {MAX_PREFIXES}, as in FELIX_INTERFACEPREFIX")]
    Count(usize),
    /// Characters or length that cannot be.
    #[error("`{0}` cannot begin names of interfaces: 1 to {1} letters, digits, `-`, `_` or `.`")]
    Form(String, usize),
    /// One that Amazon's plugin refuses.
    #[error("`{0}` is refused by Amazon's VPC CNI: see AWS_VPC_K8S_CNI_VETHPREFIX")]
    Reserved(String),
}

/// Hexadecimal digits behind the prefix are 11 of the 15 bytes.
const LONGEST: usize = 4;

impl Default for Prefixes {
    /// `cali` and `eni`.
    fn default() -> Self {
        Self { calico: vec!["cali".into()], aws: "eni".into() }
    }
}

impl Prefixes {
    /// With the prefixes of Calico: a list with commas, as in `FELIX_INTERFACEPREFIX`.
    pub fn with_calico(self, list: &str) -> Result<Self, PrefixError> {
        let calico: Vec<String> =
            list.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
        if calico.is_empty() || calico.len() > MAX_PREFIXES {
            return Err(PrefixError::Count(calico.len()));
        }
        calico.iter().try_for_each(|prefix| check(prefix))?;
        Ok(Self { calico, ..self })
    }

    /// With the prefix of Amazon's VPC CNI, as in `AWS_VPC_K8S_CNI_VETHPREFIX`.
    pub fn with_aws(self, prefix: &str) -> Result<Self, PrefixError> {
        check(prefix)?;
        if matches!(prefix, "eth" | "vlan" | "lo") {
            return Err(PrefixError::Reserved(prefix.to_owned()));
        }
        Ok(Self { aws: prefix.to_owned(), ..self })
    }

    pub(super) fn calico(&self) -> &[String] {
        &self.calico
    }

    pub(super) fn aws(&self) -> &str {
        &self.aws
    }
}

fn check(prefix: &str) -> Result<(), PrefixError> {
    let characters = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if prefix.is_empty() || prefix.len() > LONGEST || !characters {
        return Err(PrefixError::Form(prefix.to_owned(), LONGEST));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_felix_reads_them() {
        let prefixes = Prefixes::default().with_calico("cali, gke,").unwrap();
        assert_eq!(prefixes.calico(), ["cali", "gke"]);
        assert_eq!(Prefixes::default().with_calico(" ,"), Err(PrefixError::Count(0)));
        assert_eq!(Prefixes::default().with_calico(&"a,".repeat(9)), Err(PrefixError::Count(9)));
        assert!(matches!(Prefixes::default().with_calico("cali*"), Err(PrefixError::Form(..))));
    }

    #[test]
    fn amazons_prefix_has_amazons_limits() {
        assert_eq!(Prefixes::default().with_aws("vpc").unwrap().aws(), "vpc");
        for refused in ["eth", "vlan", "lo"] {
            assert_eq!(Prefixes::default().with_aws(refused), Err(PrefixError::Reserved(refused.into())));
        }
        assert!(matches!(Prefixes::default().with_aws("toolong"), Err(PrefixError::Form(..))));
    }
}
