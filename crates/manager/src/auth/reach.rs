//! In which namespaces somebody may do what.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All, and what is in none.
    All,
    /// These.
    Only(Arc<BTreeSet<String>>),
}

impl Reach {
    /// None at all.
    pub fn nowhere() -> Self {
        Self::of([])
    }

    /// These.
    pub fn of(namespaces: impl IntoIterator<Item = String>) -> Self {
        Self::Only(Arc::new(namespaces.into_iter().collect()))
    }

    /// All, or none.
    pub fn when(all: bool) -> Self {
        if all { Self::All } else { Self::nowhere() }
    }

    /// It is among them.
    pub fn has(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(some) => some.contains(namespace),
        }
    }

    /// There is none.
    pub fn is_nowhere(&self) -> bool {
        matches!(self, Self::Only(some) if some.is_empty())
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Only(a), Self::Only(b)) => Self::of(a.union(b).cloned()),
        }
    }
}

/// Where somebody may do what. Whatever he may do he may only do to what he sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// See alerts: those with one side at least in these namespaces.
    pub read: Reach,
    /// Decide about alerts: those whose sides are all in these namespaces or outside of the cluster.
    pub act: Reach,
    /// Suppress: as for deciding.
    pub tune: Reach,
}

impl Realm {
    /// Nothing at all.
    pub fn nothing() -> Self {
        Self { read: Reach::nowhere(), act: Reach::nowhere(), tune: Reach::nowhere() }
    }

    /// Everything everywhere.
    pub fn everything() -> Self {
        Self { read: Reach::All, act: Reach::All, tune: Reach::All }
    }

    /// What either may do.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self { read: self.read.and(&other.read), act: self.act.and(&other.act), tune: self.tune.and(&other.tune) }
    }

    /// What people may do with it.
    pub fn can(&self) -> super::Can {
        let read = !self.read.is_nowhere();
        super::Can {
            read,
            act: read && !self.act.is_nowhere(),
            tune: read && !self.tune.is_nowhere(),
            admin: *self == Self::everything(),
            ingest: false,
        }
    }
}
