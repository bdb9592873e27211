//! What is worth keeping and not worth a commit of its own: it is read from here, and rides along with the next commit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::StoreError;

/// A value, and when it was seen.
pub(super) type Seen = (String, String);

/// Observations that wait for a commit.
#[derive(Clone, Default)]
pub(super) struct Later(Arc<Mutex<BTreeMap<String, Seen>>>);

impl Later {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put(&self, key: String, seen: Seen) {
        self.all().insert(key, seen);
    }

    pub fn get(&self, key: &str) -> Option<Seen> {
        self.all().get(key).cloned()
    }

    /// What waits now. It stays readable until it is [`written`](Self::written).
    pub fn waiting(&self) -> Vec<(String, Seen)> {
        let all = self.all();
        all.iter()
            .map(|(key, seen)| (key.clone(), seen.clone()))
            .collect()
    }

    /// They are in the tables, but for what was seen since.
    pub fn written(&self, those: Vec<(String, Seen)>) {
        let mut all = self.all();
        for (key, seen) in those {
            if all.get(&key) == Some(&seen) {
                all.remove(&key);
            }
        }
    }

    /// A newer one was written by itself.
    pub fn forget(&self, key: &str) {
        self.all().remove(key);
    }
}

/// Writes them; the caller commits.
pub(super) async fn write(
    conn: &mut SqliteConnection,
    those: &[(String, Seen)],
) -> Result<(), StoreError> {
    for chunk in those.chunks(200) {
        let mut insert = QueryBuilder::<Sqlite>::new("insert into observation (key, value, at) ");
        insert.push_values(chunk, |mut row, (key, (value, at))| {
            row.push_bind(key).push_bind(value).push_bind(at);
        });
        insert.push(" on conflict (key) do update set value = excluded.value, at = excluded.at");
        insert.build().persistent(false).execute(&mut *conn).await?;
    }
    Ok(())
}
