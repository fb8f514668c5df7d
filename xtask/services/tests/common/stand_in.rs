//! Stands in for the entry point of an official image, none of which can be counted on here: says what it was given.

use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("health") => println!("fine"),
        Some("cat") => print!("{}", std::fs::read_to_string(&args[1]).unwrap()),
        _ => {
            println!("arguments {}", args.join(" "));
            for (name, value) in std::env::vars().filter(|(name, _)| name.starts_with("MYSQL_")) {
                println!("{name}={value}");
            }
            std::thread::sleep(Duration::from_secs(600));
        }
    }
}
