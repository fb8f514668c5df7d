//! Where keys come from, by the environment alone: nothing is asked for yet.

use crate::AwsError;
use crate::container::Container;
use crate::instance::Instance;
use aws_credential_types::Credentials;

#[derive(Debug)]
pub enum Source {
    Given(Credentials),
    Container(Container),
    Instance(Instance),
}

impl Source {
    /// Keys that are set, then the service that runs this container, then the instance this is.
    pub fn find(variable: impl Fn(&str) -> Option<String>, is_instance: impl Fn() -> bool) -> Result<Self, AwsError> {
        let (access, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
        match (variable(access), variable(secret)) {
            (Some(access), Some(secret)) => {
                let token = variable("AWS_SESSION_TOKEN");
                return Ok(Self::Given(given(access, secret, token)));
            }
            (Some(_), None) => return Err(AwsError::NoKeys(secret)),
            (None, Some(_)) => return Err(AwsError::NoKeys(access)),
            (None, None) => {}
        }
        if let Some(container) = Container::find(&variable)? {
            return Ok(Self::Container(container));
        }
        let is_off = variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let endpoint = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        if !is_off && (endpoint.is_some() || is_instance()) {
            return Ok(Self::Instance(Instance::at(endpoint)));
        }
        Err(AwsError::NoKeys(access))
    }
}

pub fn given(access: String, secret: String, token: Option<String>) -> Credentials {
    Credentials::new(access, secret, token, None, "release-tool")
}

/// By what the firmware says, so that nobody waits for an address that answers only there.
pub fn is_instance() -> bool {
    let says = |path: &str, found: fn(&str) -> bool| std::fs::read_to_string(path).is_ok_and(|text| found(text.trim()));
    says("/sys/class/dmi/id/sys_vendor", |vendor| vendor == "Amazon EC2")
        || says("/sys/hypervisor/uuid", |uuid| uuid.starts_with("ec2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found with these variables, here or on an instance.
    fn found(variables: &[(&str, &str)], on_instance: bool) -> String {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match Source::find(variable, || on_instance) {
            Ok(Source::Given(keys)) => format!("given to {}", keys.access_key_id()),
            Ok(Source::Container(_)) => "container".to_owned(),
            Ok(Source::Instance(_)) => "instance".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "ann"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
    const CONTAINER: (&str, &str) = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1");

    #[test]
    fn keys_that_are_set_come_first_then_the_container_then_the_instance() {
        assert_eq!(found(&[KEYS[0], KEYS[1], CONTAINER], true), "given to ann");
        assert_eq!(found(&[CONTAINER], true), "container");
        assert_eq!(found(&[], true), "instance");
        let elsewhere = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
        assert_eq!(found(&[elsewhere], false), "instance");
    }

    #[test]
    fn where_there_are_none_the_variables_are_named_and_nothing_is_waited_for() {
        assert!(found(&[], false).contains("`AWS_ACCESS_KEY_ID` is not set"));
        assert!(found(&[("AWS_EC2_METADATA_DISABLED", "true")], true).contains("there are no keys"));
        let half = found(&KEYS[..1], true);
        assert!(half.contains("`AWS_SECRET_ACCESS_KEY` is not set"), "{half}");
    }
}
