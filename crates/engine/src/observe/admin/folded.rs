//! `/profile`: where the workers were in the last minute, as folded stacks.

use crate::exchange::answer::Answer;
use crate::observe::profile::Places;

/// A line for each place: the route, the frames from the outermost in, the state in brackets, all separated by
/// semicolons, and after a space the milliseconds that workers were there. Programs that draw flame graphs read it.
pub(in crate::observe) fn page(places: &Places) -> Answer {
    let mut page = String::new();
    for (place, seconds) in &places.0 {
        // A semicolon of theirs would begin another frame.
        let frames = format!("{}\n{}", place.route, place.stack).replace(';', ",");
        let milliseconds = (1000.0 * seconds).round();
        page.push_str(&format!(
            "{};({}) {milliseconds}\n",
            frames.replace('\n', ";"),
            place.state.name(),
        ));
    }
    Answer::text(200, page)
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::observe::profile::{Place, State};

    #[test]
    fn a_line_has_the_route_the_frames_the_state_and_milliseconds() {
        let place = Place {
            route: "GET /a;b".into(),
            stack: "v.py:8 f\nacquire()".into(),
            own: 0,
            state: State::Waiting,
        };
        let answer = page(&Places(vec![(place, 1.5)]));
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        assert_eq!(body, "GET /a,b;v.py:8 f;acquire();(waiting) 1500\n");
    }
}
