//! Calls of services that somebody else wrote. Not part of a plain `cargo test`, because they are fetched with pip: the tier
//! `stores` of `cargo xtask test`.

#[path = "../../../store/tests/servers/server.rs"]
#[expect(dead_code, reason = "what only the store's tests ask of a server")]
mod server;

use aws::{AwsError, Keys, Parameters, Registry, Service};
use serde_json::json;
use server::{Kind, Server};
use std::time::{Duration, SystemTime};

const HOST: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";

fn keys() -> Keys {
    Keys::given("access-key", "secret-key", None)
}

#[tokio::test]
async fn a_token_for_ecr_is_had_and_lasts_for_hours() {
    // moto's tokens ran out in 2015.
    let server = Server::start(Kind::Ministack);
    let registry = Registry::of(HOST).unwrap();
    let token = registry.token_from(keys(), server.endpoint()).await.unwrap();
    assert!(!token.password.is_empty());
    assert!(
        token.expires > SystemTime::now() + Duration::from_secs(3600),
        "{token:?}"
    );
}

#[tokio::test]
async fn a_parameter_is_read_by_its_version_and_a_missing_one_is_named() {
    let server = Server::start(Kind::Moto);
    let service = Service {
        name: "ssm",
        prefix: "AmazonSSM",
        region: "us-east-1".to_owned(),
        endpoint: server.endpoint(),
        keys: keys(),
    };
    let name = "/shop/production/DB_PASSWORD";
    for value in ["first", "second"] {
        let put = json!({ "Name": name, "Value": value, "Type": "SecureString", "Overwrite": true });
        service.call("PutParameter", &put).await.unwrap();
    }
    let parameters = Parameters::of("us-east-1", Some(server.endpoint()), keys());
    assert_eq!(parameters.get(name, 1).await.unwrap(), "first");
    assert_eq!(parameters.get(name, 2).await.unwrap(), "second");
    let missing = parameters.get(name, 3).await.unwrap_err();
    assert!(matches!(missing, AwsError::Refused { status: 400, .. }), "{missing}");
    assert!(!missing.to_string().contains("second"), "{missing}");
    let unknown = parameters.get("/shop/production/NONE", 1).await.unwrap_err();
    assert!(unknown.to_string().contains("ParameterNotFound"), "{unknown}");
}
