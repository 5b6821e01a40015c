// Facts about stream graphs; analyses never edit.
