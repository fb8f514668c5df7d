//! The services the app needs, and whether the app can sign in to them.

use super::Check;
use super::build::{port, words};
use crate::form::{Field, Leaf};
use crate::model::{Service, ServiceHealth};
use crate::problem::{At, Problem};
use crate::text;
use contract::SecretName;
use std::collections::BTreeMap;
use std::time::Duration;

impl Check<'_> {
    pub fn services(&mut self, test: &text::Test) -> Option<BTreeMap<String, Service>> {
        let texts = test.services.given().map_or(&[][..], |services| &services.entries);
        let read: Vec<_> = texts
            .iter()
            .map(|(name, text)| (name.value.clone(), self.service(&name.value, text)))
            .collect();
        read.into_iter().map(|(name, service)| Some((name, service?))).collect()
    }

    fn service(&mut self, name: &str, text: &text::Service) -> Option<Service> {
        let path = |key: &str| format!("test.services.{name}.{key}");
        let image = self.require(&path("image"), &text.image, text.at, "an image");
        let listens = self.require(&path("port"), &text.port, text.at, "the port it listens on");
        let database = self.require(&path("database"), &text.database, text.at, "the database to make");
        let username = self.require(&path("username"), &text.username, text.at, "who may use the database");
        let password = self.require(
            &path("password"),
            &text.password,
            text.at,
            "the secret that holds the password",
        );
        let health = self.service_health(&path("health.command"), &text.health, text.at);
        Some(Service {
            image: image?.value.clone(),
            port: port(listens?.value),
            database: database?.value.clone(),
            username: username?.value.clone(),
            password: password?.value.clone(),
            health: health?,
            command: words(&text.command),
        })
    }

    /// A service without a health check would be used before it is ready.
    fn service_health(&mut self, path: &str, text: &Field<text::ServiceHealth>, at: At) -> Option<ServiceHealth> {
        let text = text.or_empty(at);
        self.require(
            path,
            &text.command,
            text.at,
            "a command that succeeds once it is healthy",
        )?;
        Some(ServiceHealth {
            command: words(&text.command),
            interval: text.interval.or(Duration::from_secs(1)),
            timeout: text.timeout.or(Duration::from_secs(5)),
            deadline: text.deadline.or(Duration::from_secs(60)),
        })
    }

    /// The services run in tests and, on the ground, beside each environment. Where the app is not given a service's
    /// password, it cannot sign in, and the password is used by nothing.
    pub fn service_passwords_are_secrets(&mut self, environments: &text::Environments) {
        let test = self.settings.test.or_empty(self.settings.at);
        let mut places = vec![("test", self.settings.env.overlaid(&test.env))];
        if self.on_ground {
            for (name, text) in [
                ("staging", &environments.staging),
                ("production", &environments.production),
            ] {
                let text = text.or_empty(environments.at);
                places.push((name, self.settings.env.overlaid(&text.env)));
            }
        }
        for (service, text) in test.services.given().iter().flat_map(|services| &services.entries) {
            let Some(password) = text.password.given() else {
                continue;
            };
            let lacking = places.iter().filter(|(_, env)| lacks(env, &password.value));
            let lacking: Vec<&str> = lacking.map(|(place, _)| *place).collect();
            if !lacking.is_empty() {
                self.problems
                    .push(unused_password(&service.value, password, &lacking, &places));
            }
        }
    }
}

fn lacks(env: &Field<text::Env>, secret: &SecretName) -> bool {
    match env {
        Field::Absent => true,
        Field::Bad => false,
        Field::Given(env) => match &env.secret {
            Field::Absent => true,
            Field::Bad => false,
            Field::Given(list) => list.complete && list.items.iter().all(|item| item.value.name != *secret),
        },
    }
}

fn unused_password(
    service: &str,
    password: &Leaf<SecretName>,
    lacking: &[&str],
    places: &[(&str, Field<text::Env>)],
) -> Problem {
    let name = &password.value;
    let message = format!(
        "the app is not given `{name}`, the password of `{service}`, in {}",
        lacking.join(", ")
    );
    let expected = "expected a name listed in `env.secret`";
    let lists = places.iter().filter_map(|(_, env)| env.given()?.secret.given());
    let listed: Vec<&str> = lists
        .flat_map(|list| &list.items)
        .map(|item| item.value.name.as_str())
        .collect();
    Problem::new(password.at, message, expected).nearest(name.as_str(), &listed)
}
