//! The one way to wait: until a condition holds, or until something ends.

use std::time::{Duration, Instant};

/// A condition that does not hold by then never will.
const PATIENCE: Duration = Duration::from_mins(1);

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
        // soon enough for what does not stay, seldom enough for two cores
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// What comes of something that ends by itself; none when it does not. A program may wait for a condition of its own, so this has
/// more patience.
pub async fn ended<T>(end: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(2 * PATIENCE, end).await.ok()
}
