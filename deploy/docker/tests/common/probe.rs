//! The program in the test images. Compiled by `rustc` when the tests run; uses nothing but the standard library.

use std::time::Duration;

fn main() {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        // As PID 1 without a handler it does not react to SIGTERM.
        Some("sleep") | None => {
            println!("up");
            std::thread::sleep(Duration::from_secs(600));
        }
        Some("exit") => {
            let code = args.next().and_then(|code| code.parse().ok()).unwrap_or(0);
            eprintln!("leaving with {code}");
            std::process::exit(code);
        }
        Some("print") => args.for_each(|line| println!("{line}")),
        Some("cat") => print!("{}", std::fs::read_to_string(args.next().unwrap_or_default()).unwrap_or_default()),
        Some("env") => println!("{}", std::env::var(args.next().unwrap_or_default()).unwrap_or_default()),
        // Healthy once that file is there: files can be put into a running container.
        Some("health") => match std::fs::metadata("/ready") {
            Ok(_) => println!("ready"),
            Err(_) => {
                println!("not ready yet");
                std::process::exit(3);
            }
        },
        Some("eat") => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            while eaten.len() < 1024 {
                eaten.push(vec![1; 1 << 20]);
            }
            println!("ate {} MB", eaten.len());
        }
        // Prints who can be reached by name.
        Some("resolve") => {
            let name = args.next().unwrap_or_default();
            let found = std::net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), 80)).map(|found| found.count());
            println!("{name}: {}", found.unwrap_or(0));
        }
        Some(other) => panic!("unknown mode {other}"),
    }
}
