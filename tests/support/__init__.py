"""What tests share: where the program is, how to run it, how to speak to it."""
