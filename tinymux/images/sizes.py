"""Where an image's bytes went: from one label to the next."""

from __future__ import annotations

import io
from pathlib import Path

from tinymux.errors import ImageError
from tinymux.images.files import ELF_FLASH_END, load


def sizes(file: Path) -> list[tuple[str, int, int]]:
    """Label, its address in flash, and the bytes up to the next label, in the order of addresses."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    image = load(file)
    content = file.read_bytes()
    if not content.startswith(b"\x7fELF"):
        raise ImageError(f"{file}: only an ELF file has labels")
    table = ELFFile(io.BytesIO(content)).get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        raise ImageError(f"{file}: an ELF file without labels: it was stripped")
    labels: dict[int, str] = {}
    for symbol in table.iter_symbols():
        placed = isinstance(symbol["st_shndx"], int) and symbol["st_info"]["type"] in (
            "STT_NOTYPE",
            "STT_FUNC",
            "STT_OBJECT",
        )
        ours = symbol.name and not symbol.name.startswith("__")  # the linker script's
        if placed and ours and symbol["st_value"] < min(len(image.data), ELF_FLASH_END):
            labels.setdefault(symbol["st_value"], symbol.name)
    labels.setdefault(0, "(start)")
    ends = [*sorted(labels)[1:], len(image.data)]
    return [(labels[at], at, end - at) for at, end in zip(sorted(labels), ends, strict=True)]
