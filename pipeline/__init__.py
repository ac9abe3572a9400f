"""The library behind the stages, by what things are. `stages` import it; it never imports them."""
