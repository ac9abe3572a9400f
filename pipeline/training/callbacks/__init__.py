"""What happens beside a training's steps."""
