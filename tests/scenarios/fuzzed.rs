//! The HTTP API is what its description says, whatever is sent: a public fuzzer reads the description, and calls all of it.

use std::process::Command;

use angarium_testkit::public_libraries::tools;

use crate::setup::stack_that_answers;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_is_answered_as_the_description_says() {
    let (stack, _env) = stack_that_answers(&["FANOUT", "DELIVERY"]).await.unwrap();
    stack.create_account(1234).await.unwrap();
    let address = &stack.env()["ANGARIUM_REGISTRY_HTTP_LISTEN"];
    let output = Command::new("python3")
        .env("PYTHONPATH", tools().unwrap().join("schemathesis"))
        .args(["-m", "schemathesis.cli", "run", "--no-color", "--warnings", "off"])
        // The same calls each time: a run that fails can be looked at.
        .arg("--generation-deterministic")
        .args(["--max-examples", "15"])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args(["-H", &format!("authorization: Bearer {}", stack.key().expose())])
        .arg(format!("http://{address}/openapi.json"))
        .current_dir(stack.dir())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("Operations:"), "nothing was called: {told}");
    // The description has them all.
    assert!(told.contains("Tested: 49"), "{told}");
}
