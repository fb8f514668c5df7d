//! No code: units for systemd and a script for cloud-init, which `README.md` beside them describes, and tests that hold
//! them to it.
