"""What KIS answers, as records with our names and units; one module per subject.

Each field says in its annotation which KIS field it is read from and in which unit. Amounts are
won, quantities shares, rates percent (1.25 is 1.25 %), instants ns UTC; ``centiwon`` and
``centipoints`` in a name are hundredths. A type with ``None`` is one that KIS may leave blank.
"""
