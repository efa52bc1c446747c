//! The loop changes hands between its I/O thread and leading workers; nothing may be lost by it.

mod common;

use std::time::Duration;

use common::{Gate, Site, echo_path, request, settings};
use headwaiter_engine::Settings;

#[test]
fn a_lone_client_is_led_and_a_burst_is_not_lost() {
    for (threads, gil) in [(1, true), (2, true), (4, false)] {
        let site = Site::new(
            Settings {
                threads,
                gil,
                ..settings()
            },
            |task| {
                if task.head().path() == b"/long" {
                    // Longer than a leader may stay away: the loop is taken back meanwhile.
                    std::thread::sleep(Duration::from_millis(4));
                }
                echo_path(task);
            },
        );
        let mut lone = site.connect();
        let mut crowd: Vec<_> = (0..8).map(|_| site.connect()).collect();
        for round in 0..40 {
            for n in 0..20 {
                let path = format!("/{round}/{n}");
                assert_eq!(lone.get(&path).body, path.into_bytes());
            }
            assert_eq!(lone.get("/long").body, b"/long");
            for client in &mut crowd {
                client.send(request("/one")).send(request("/two"));
            }
            for client in &mut crowd {
                assert_eq!(client.reply().body, b"/one");
                assert_eq!(client.reply().body, b"/two");
            }
        }
        site.until("requests", 40 * (21 + 16));
        assert!(site.stat("loop_lends") > 0);
        assert_eq!(site.stop().unfinished(), 0);
    }
}

#[test]
fn while_the_leader_runs_a_long_task_others_are_served() {
    let gate = Gate::default();
    let door = gate.clone();
    let site = Site::new(settings(), move |task| {
        if task.head().path() == b"/held" {
            door.wait();
        }
        echo_path(task);
    });
    let mut lone = site.connect();
    for _ in 0..20 {
        lone.get("/");
    }
    assert!(site.stat("loop_lends") > 0);
    lone.send(request("/held"));
    site.until("busy_workers", 1);
    for _ in 0..50 {
        assert_eq!(site.connect().get("/other").body, b"/other");
    }
    gate.open(1);
    assert_eq!(lone.reply().body, b"/held");
}

#[test]
fn a_leader_follows_the_drain() {
    for _ in 0..20 {
        let site = Site::new(settings(), echo_path);
        let mut client = site.connect();
        for _ in 0..20 {
            client.get("/");
        }
        assert!(site.stat("loop_lends") > 0);
        assert_eq!(site.stop().unfinished(), 0);
        assert!(client.is_closed());
    }
}
