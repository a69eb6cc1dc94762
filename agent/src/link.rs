//! What others may see of a connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether a connection stands and what was wrong last. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct LinkStatus(Arc<Mutex<(bool, Option<String>)>>);

impl LinkStatus {
    /// It stands.
    pub fn connected(&self) {
        *self.lock() = (true, None);
    }

    /// It does not, and this is why.
    pub fn failed(&self, error: String) {
        *self.lock() = (false, Some(error));
    }

    /// Whether it stands.
    pub fn is_connected(&self) -> bool {
        self.lock().0
    }

    /// Whether it stands, and what was wrong last.
    pub fn get(&self) -> (bool, Option<String>) {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, (bool, Option<String>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
