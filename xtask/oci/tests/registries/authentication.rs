//! Registries that want to know who is there.

use crate::parts::{Access, Authority, PASSWORD, Registry, TokenServer, USERNAME, ann, client, image};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci::registry::{CredentialSource, Login, Secret, Silent};
use std::sync::Arc;

fn with_password(password: &str) -> CredentialSource {
    CredentialSource::Given(Login::Password {
        username: USERNAME.into(),
        password: Secret::new(password),
    })
}

#[tokio::test]
async fn a_password_opens_a_registry_that_wants_one() {
    let registry = Registry::start(Access::Password);
    let repository = registry.repository("shop");
    let image = image(100_000);
    client(ann()).push(&repository, &image, &["v1"], &Silent).await.unwrap();
    assert_eq!(
        client(ann()).resolve(&repository, "v1").await.unwrap(),
        Some(image.digest())
    );

    for refused in [CredentialSource::Anonymous, with_password("wrong horse")] {
        let error = client(refused)
            .push(&repository, &image, &[], &Silent)
            .await
            .unwrap_err();
        assert_eq!(error.status(), Some(401));
        let text = format!("{error}\n{error:?}");
        assert!(
            text.contains(&format!("docker login {}", registry.address)) && !text.contains("horse"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_login_kept_by_docker_is_found() {
    let registry = Registry::start(Access::Password);
    let directory = tempfile::tempdir().unwrap();
    let auth = STANDARD.encode(format!("{USERNAME}:{PASSWORD}"));
    let config = serde_json::json!({ "auths": { registry.address.as_str(): { "auth": auth } } });
    std::fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
    let source = CredentialSource::DockerConfig {
        directory: Some(directory.path().to_owned()),
    };
    client(source)
        .push(&registry.repository("shop"), &image(1000), &[], &Silent)
        .await
        .unwrap();
}

#[tokio::test]
async fn one_token_serves_a_whole_push_and_a_narrower_one_each_pull() {
    let authority = Arc::new(Authority::new("tokens"));
    let tokens = TokenServer::start(Arc::clone(&authority)).await;
    let registry = Registry::start(Access::Token {
        realm: &tokens.realm,
        certificate: &authority.certificate(),
    });
    let (client, repository) = (client(ann()), registry.repository("a/shop"));
    let image = image(100_000);
    client.push(&repository, &image, &["v1"], &Silent).await.unwrap();
    assert_eq!(client.resolve(&repository, "v1").await.unwrap(), Some(image.digest()));
    client.pull_manifest(&repository, image.digest()).await.unwrap();
    assert_eq!(tokens.given(), ["a/shop:pull,push", "a/shop:pull"]);
}

#[tokio::test]
async fn nobody_in_particular_may_pull_with_a_token_but_not_push() {
    let authority = Arc::new(Authority::new("tokens"));
    let tokens = TokenServer::start(Arc::clone(&authority)).await;
    let registry = Registry::start(Access::Token {
        realm: &tokens.realm,
        certificate: &authority.certificate(),
    });
    let repository = registry.repository("shop");
    let image = image(1000);
    client(ann()).push(&repository, &image, &["v1"], &Silent).await.unwrap();
    let anyone = client(CredentialSource::Anonymous);
    assert_eq!(anyone.resolve(&repository, "v1").await.unwrap(), Some(image.digest()));
    let other = crate::parts::image(2000);
    let error = anyone.push(&repository, &other, &[], &Silent).await.unwrap_err();
    assert_eq!(error.status(), Some(401), "{error}");

    let error = client(with_password("wrong horse"))
        .resolve(&repository, "v1")
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert!(
        error
            .token_server
            .as_ref()
            .is_some_and(|server| tokens.realm.contains(server))
            && error
                .to_string()
                .contains(&format!("docker login {}", registry.address)),
        "{error}"
    );
}
