"""Functions that write text files, and that list the encoded copies in the cache."""

from pathlib import Path

from charrnn.data.cache import encoded_folder

TEXT = "Ça, déjà vu?\r\n漢字 🙂 é\n" * 3


def write(name: str, data: str | bytes) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return name


def list_copies() -> list[Path]:
    return list(encoded_folder().glob("*"))
