"""Long captions -> true phrases -> one slot edited -> preference pairs -> mixtures that adapters are trained on."""
