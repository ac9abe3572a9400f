"""Pictures side by side: what varies, drawing, judging, laying out, choosing."""
