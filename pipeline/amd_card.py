"""Whether this computer has a card of AMD's with memory of its own, by what Linux says of it."""

from pipeline.pci_cards import AMD, cards_of, text_in

LEAST_BYTES = 4 * 2**30
"""Of memory; a processor's own graphics usually takes less from the machine's."""


def is_there() -> bool:
    texts = (text_in(card / "mem_info_vram_total") for card in cards_of(AMD))
    return any(text and text.isdecimal() and int(text) >= LEAST_BYTES for text in texts)
