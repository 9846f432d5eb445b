package handlers

func (a *api) ledgerRoutes() {}
