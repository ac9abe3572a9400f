"""The library behind the stages: they import it; it never imports them."""
