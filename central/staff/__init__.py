"""Staff: who works here, how they sign in, what they may do; and the tokens of channels."""
