"""Pure decisions of the box: state, event and `now` in, state and effects out."""
