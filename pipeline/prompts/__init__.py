"""What a prompt says, and the texts that tell how a picture was drawn. No torch here."""
