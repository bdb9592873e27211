//! The one way to wait: until a condition holds.

use std::time::{Duration, Instant};

/// A condition that does not hold by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until there is what is looked for.
///
/// # Panics
/// When it never is; with what was seen last.
pub async fn until<T, F>(what: &str, mut look: F) -> T
where
    F: AsyncFnMut() -> Result<T, String>,
{
    let end = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(2);
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if Instant::now() > end => panic!("{what}: never; last seen: {seen}"),
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
