use dploy_observer::local::marathon::*;
#[tokio::main]
async fn main() {
    let port: u16 = std::env::args().nth(1).unwrap().parse().unwrap();
    let dir = std::path::PathBuf::from(std::env::args().nth(2).unwrap());
    let l = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .unwrap();
    let mut pace = Pace {
        offers: std::time::Duration::from_millis(100),
        ..Pace::default()
    };
    if let Some(s) = std::env::args().nth(3) {
        pace.scale_check = std::time::Duration::from_millis(s.parse().unwrap());
    }
    let m = LocalMarathon::start(
        l,
        Options {
            dir,
            tools: None,
            pace,
            resources: Resources::default(),
        },
    )
    .await
    .unwrap();
    println!("{}", m.url());
    let mut t = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    tokio::select! { _ = t.recv() => {}, _ = tokio::signal::ctrl_c() => {} }
    m.stop().await;
}
