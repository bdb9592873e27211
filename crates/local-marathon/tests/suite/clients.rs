//! Clients made for Marathon by others work with the local one unchanged.

use test_kit::foreign::drive;
use test_kit::marathon::Marathon;

use super::mesos::Bench;

#[tokio::test]
async fn the_marathon_client_from_pypi_lives_a_services_life() {
    let marathon = Marathon::start().await;
    drive(
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/clients/marathon_client.py"
        ),
        &[marathon.url()],
    )
    .await;
    marathon.stop().await;
}

#[tokio::test]
async fn the_shpkpr_command_line_from_pypi_deploys() {
    let marathon = Marathon::start().await;
    drive(
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/clients/shpkpr_client.py"
        ),
        &[marathon.url()],
    )
    .await;
    marathon.stop().await;
}

#[tokio::test]
async fn the_dcos_command_line_from_pypi_reads_the_logs_of_tasks() {
    let bench = Bench::start().await;
    let cmd = "for n in $(seq 12); do echo out $n; done; echo err 1 >&2; exec sleep 1000";
    let running = bench.run("/shop/web", cmd).await;
    bench.until_size(&running, "stderr", 6).await;
    bench.until_size(&running, "stdout", 9 * 6 + 3 * 7).await;
    let ended = bench.run("/old", "echo bye; exec sleep 1000").await;
    bench.until_size(&ended, "stdout", 4).await;
    bench.scaled("/old", 0).await;
    let root = env!("CARGO_MANIFEST_DIR");
    drive(
        &format!("{root}/tests/data/clients/dcos_client.py"),
        &[
            &format!("{root}/../../target/dcos-venv"),
            &bench.master(),
            &running.task,
            &ended.task,
        ],
    )
    .await;
    bench.marathon.stop().await;
}
