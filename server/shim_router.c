#include "server/account.h"
#include "server/router_priv.h"
#include "server/sublist.h"
#include "base/owner.h"
struct sinkx { struct sub sub; struct account *account; sink_deliver_fn *deliver; void *owner; };
size_t router_publish_sinks(struct router *r, struct account *a, const struct message *m);
struct account *router_account(struct router *r, struct bytes n);
size_t router_publish_sinks(struct router *r, struct account *a, const struct message *m){
    const struct match *match=sublist_match(&a->subs,m->subject); size_t n=0; (void)r;
    for(uint32_t i=0;i<match->sets_count;i++) for(uint32_t k=0;k<match->sets[i]->count;k++){struct sub*s=match->sets[i]->subs[k]; if(s->kind==SUB_SINK){struct sinkx*x=owner_of(s,struct sinkx,sub); x->deliver(x->owner,m); n++;}}
    return n;}
struct account *router_account(struct router *r, struct bytes n){(void)n;return router_account_default(r);}
