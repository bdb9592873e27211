//! Clients made for Marathon by others work with the local one unchanged.

use test_kit::foreign::drive;
use test_kit::marathon::Marathon;

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
