"""Fourteen small invoices, and what is in them.

Some of them are trouble; ``trouble`` says which. Only the server looks at it, by way of the number:
the pipeline gets the text, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DOCUMENTS", "Document"]

TERMS = "Goods remain our property until paid for in full. " * 70
MANY = tuple((f"Screw M{n} x {4 * n}, zinc plated, box of {50 * n}", 150 + n) for n in range(3, 13))


@dataclass(frozen=True)
class Document:
    """``cents`` by what was bought. ``trouble`` is what the server will do about it."""

    number: str
    vendor: str
    currency: str
    items: tuple[tuple[str, int], ...]
    trouble: str = ""
    attachment: str = ""

    @property
    def total(self) -> int:
        return sum(cents for _, cents in self.items)

    @property
    def text(self) -> str:
        """As it comes out of a scanner."""
        lines = [f"{what}: {cents / 100:.2f}" for what, cents in self.items]
        return "\n".join(
            [
                f"INVOICE {self.number}",
                f"from {self.vendor}, all amounts in {self.currency}",
                *lines,
                f"Total: {self.total / 100:.2f}",
                self.attachment,
            ]
        )


DOCUMENTS = (
    Document("R-1001", "Bright Lamps", "EUR", (("Desk lamp", 3990),)),
    Document("R-1002", "Tea & Co", "GBP", (("Assam, 1 kg", 2150), ("Tin", 400))),
    Document("R-1003", "Papeterie Rossi", "CHF", (("Paper, 5 reams", 2900),)),
    # more lines than fit into the output limit: finish_reason "length"
    Document("R-1004", "Fasteners Ltd", "GBP", MANY),
    # a proxy on the way cuts the answer, and says "stop" all the same
    Document("R-1005", "Old Mill", "EUR", (("Flour, 25 kg", 1875),), "cut"),
    Document("R-1006", "Forge & Blade", "USD", (("Hunting knife", 8900),), "filtered_prompt"),
    Document("R-1007", "Corner Pharmacy", "USD", (("Tablets", 1290),), "filtered_answer"),
    # longer than the model can read
    Document("R-1008", "Stone & Sons", "GBP", (("Gravel, 1 t", 6400),), attachment=TERMS),
    # the answer is no JSON, until the model is told so
    Document("R-1009", "Blue Bakery", "EUR", (("Rye bread", 480), ("Rolls", 360)), "malformed"),
    # too hard for the small model: it writes the total in words, told or not
    Document("R-1010", "Dr. Haverkamp", "EUR", (("Consultation", 9500),), "words"),
    # the small model's servers are full whenever this one comes
    Document("R-1011", "Quick Couriers", "USD", (("Parcel", 1450),), "overloaded"),
    Document("R-1012", "Green Grocer", "GBP", (("Apples", 320), ("Pears", 410))),
    Document("R-1013", "Bike Barn", "EUR", (("Inner tube", 690),)),
    Document("R-1014", "Print Works", "USD", (("Flyers", 5500),)),
)
