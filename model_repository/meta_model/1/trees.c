#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <float.h>
#include <math.h>
#include <stdint.h>

#if defined(__clang__) || defined(__GNUC__)
#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define LIKELY(x)   (x)
#define UNLIKELY(x) (x)
#endif

#define N_TARGET 1
#define MAX_N_CLASS 1

union Entry {
  int missing;
  double fvalue;
  int qvalue;
};

int32_t get_num_target(void);
void get_num_class(int32_t* out);
int32_t get_num_feature(void);
const char* get_threshold_type(void);
const char* get_leaf_output_type(void);
void predict(union Entry* data, int pred_margin, double* result);
void postprocess(double* result);
static const int32_t num_class[] = {  1, };

int32_t get_num_target(void) {
  return N_TARGET;
}
void get_num_class(int32_t* out) {
  for (int i = 0; i < N_TARGET; ++i) {
    out[i] = num_class[i];
  }
}
int32_t get_num_feature(void) {
  return 8;
}
const char* get_threshold_type(void) {
  return "float64";
}
const char* get_leaf_output_type(void) {
  return "float64";
}

void predict(union Entry* data, int pred_margin, double* result) {
  unsigned int tmp;
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.0574181769043207238) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.785886228084564098) ) ) {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.9681084156036375843) ) ) {
        result[0] += -0.1534136546184739;
      } else {
        result[0] += -0.09668874172185432;
      }
    } else {
      if ( LIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1789824739098548612) ) ) {
        result[0] += -0.06823529411764706;
      } else {
        result[0] += -0.012244897959183671;
      }
    }
  } else {
    if ( UNLIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.8687071502208710827) ) ) {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.511161804199219194) ) ) {
        result[0] += -0.012244897959183671;
      } else {
        result[0] += 0.09859154929577466;
      }
    } else {
      result[0] += 0.16282051282051282;
    }
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.3727525472640991766) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.785886228084564098) ) ) {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.9681084156036375843) ) ) {
        result[0] += -0.1391507235898056;
      } else {
        result[0] += -0.08748205545059931;
      }
    } else {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.05879731476306914589) ) ) {
        result[0] += -0.03914061660799494;
      } else {
        result[0] += 0.0029700312185906093;
      }
    }
  } else {
    if ( UNLIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)1.401767551898956521) ) ) {
      if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.378962248563766424) ) ) {
        result[0] += 0.0029700312185906093;
      } else {
        result[0] += 0.11668462689050618;
      }
    } else {
      result[0] += 0.15882144576203475;
    }
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.3727525472640991766) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.785886228084564098) ) ) {
      if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.357260048389434592) ) ) {
        result[0] += -0.13433645840648273;
      } else {
        result[0] += -0.08667482445256862;
      }
    } else {
      if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.8565595746040345349) ) ) {
        if ( LIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1789824739098548612) ) ) {
          result[0] += -0.04991495700548083;
        } else {
          result[0] += 0.008041519934231618;
        }
      } else {
        result[0] += 0.08348154331910246;
      }
    }
  } else {
    if ( UNLIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)1.401767551898956521) ) ) {
      result[0] += 0.08442346761885675;
    } else {
      result[0] += 0.14605596195223067;
    }
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.0574181769043207238) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-1.270260751247405784) ) ) {
      result[0] += -0.10943714299881749;
    } else {
      if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.3121582567691802423) ) ) {
        result[0] += -0.07065925861771975;
      } else {
        result[0] += -0.0189633400988148;
      }
    }
  } else {
    if ( UNLIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.8687071502208710827) ) ) {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.511161804199219194) ) ) {
        result[0] += -0.0189633400988148;
      } else {
        result[0] += 0.08274971283496106;
      }
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.02853958681225777019) ) ) {
        result[0] += 0.08274971283496106;
      } else {
        result[0] += 0.13838962297680663;
      }
    }
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.3727525472640991766) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.785886228084564098) ) ) {
      if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.357260048389434592) ) ) {
        result[0] += -0.11683969899454548;
      } else {
        result[0] += -0.07159491648751076;
      }
    } else {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.05879731476306914589) ) ) {
        result[0] += -0.031652543143826095;
      } else {
        result[0] += 0.014658701735281757;
      }
    }
  } else {
    if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.3882074356079106) ) ) {
      if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.8002604842185975231) ) ) {
        result[0] += 0.014658701735281757;
      } else {
        result[0] += 0.10597008234187502;
      }
    } else {
      result[0] += 0.12783023771877863;
    }
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.0574181769043207238) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-1.270260751247405784) ) ) {
      result[0] += -0.09400485538996985;
    } else {
      if ( LIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1830799505114555081) ) ) {
        if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03477786108851433494) ) ) {
          result[0] += -0.000706229212346275;
        } else {
          result[0] += -0.06983687084330505;
        }
      } else {
        result[0] += -0.000706229212346275;
      }
    }
  } else {
    if ( UNLIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)1.401767551898956521) ) ) {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.478509068489075151) ) ) {
        result[0] += -0.000706229212346275;
      } else {
        result[0] += 0.0835154990235443;
      }
    } else {
      result[0] += 0.1205467847043023;
    }
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.3727525472640991766) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.785886228084564098) ) ) {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.9681084156036375843) ) ) {
        result[0] += -0.09727287967196226;
      } else {
        result[0] += -0.052124982468870554;
      }
    } else {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.457289814949036089) ) ) {
        result[0] += -0.0454046100820776;
      } else {
        result[0] += 0.0086529685240461;
      }
    }
  } else {
    if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.3882074356079106) ) ) {
      if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.8002604842185975231) ) ) {
        result[0] += 0.008941671171515907;
      } else {
        result[0] += 0.09318016747450346;
      }
    } else {
      result[0] += 0.11372853432172021;
    }
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.4555594474077225287) ) ) {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.895921558141708485) ) ) {
      if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-1.270260751247405784) ) ) {
        result[0] += -0.08340895034956183;
      } else {
        if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)279.5000000000000568) ) ) {
          if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.2701500356197357733) ) ) {
            result[0] += 0.08587093197658623;
          } else {
            result[0] += -0.017033905147925906;
          }
        } else {
          if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.6404102146625517689) ) ) {
            result[0] += -0.08340895034956183;
          } else {
            result[0] += -0.027250359359859113;
          }
        }
      }
    } else {
      result[0] += 0.09089967571238283;
    }
  } else {
    result[0] += 0.09089967571238283;
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.4555594474077225287) ) ) {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.895921558141708485) ) ) {
      if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-1.270260751247405784) ) ) {
        result[0] += -0.07768265896614865;
      } else {
        if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)279.5000000000000568) ) ) {
          if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.2701500356197357733) ) ) {
            result[0] += 0.07825047821083353;
          } else {
            result[0] += -0.015515327687643847;
          }
        } else {
          if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.6404102146625517689) ) ) {
            result[0] += -0.07768265896614865;
          } else {
            result[0] += -0.024644324675043003;
          }
        }
      }
    } else {
      result[0] += 0.08508948577355077;
    }
  } else {
    result[0] += 0.08508948577355077;
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.0574181769043207238) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.616616666316985862) ) ) {
      result[0] += -0.09308232882178197;
    } else {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.543251395225524458) ) ) {
        result[0] += -0.09308232882178197;
      } else {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.0594447683542966912) ) ) {
          result[0] += -0.01842772202029592;
        } else {
          result[0] += -0.08836509986362984;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)1.401767551898956521) ) ) {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.478509068489075151) ) ) {
        result[0] += -0.013041343409636322;
      } else {
        result[0] += 0.06415738769261299;
      }
    } else {
      result[0] += 0.09984691010379229;
    }
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.4555594474077225287) ) ) {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.895921558141708485) ) ) {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-1.829192280769347922) ) ) {
        result[0] += -0.07664924480299184;
      } else {
        if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03776588290929795005) ) ) {
          if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3311426639556885321) ) ) {
            result[0] += 0.052975855020923536;
          } else {
            result[0] += -0.04053523523233468;
          }
        } else {
          result[0] += -0.03904473503890571;
        }
      }
    } else {
      result[0] += 0.07532872911832074;
    }
  } else {
    if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.255855321884156162) ) ) {
      result[0] += 0.07532872911832074;
    } else {
      result[0] += 0.1159074312746574;
    }
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.7659678459167481579) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.785886228084564098) ) ) {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.838226795196532759) ) ) {
        result[0] += -0.10318719622366056;
      } else {
        result[0] += -0.04598792545635237;
      }
    } else {
      if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.895921558141708485) ) ) {
        result[0] += -0.008562918478918932;
      } else {
        result[0] += 0.03413648481133667;
      }
    }
  } else {
    if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.3882074356079106) ) ) {
      result[0] += 0.03413648481133667;
    } else {
      if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.3579813688993453424) ) ) {
        result[0] += 0.03999151482416775;
      } else {
        result[0] += 0.11627647215398747;
      }
    }
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.7659678459167481579) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.785886228084564098) ) ) {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.838226795196532759) ) ) {
        result[0] += -0.09874643695099888;
      } else {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)5.436487197875977451) ) ) {
          if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.4462649226188659113) ) ) {
            result[0] += -0.07847064440881235;
          } else {
            result[0] += -0.024348182227094613;
          }
        } else {
          result[0] += 0.0020637240462108163;
        }
      }
    } else {
      result[0] += 0.0020637240462108163;
    }
  } else {
    if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.02634020708501339306) ) ) {
      result[0] += 0.0020637240462108163;
    } else {
      result[0] += 0.08361295439461008;
    }
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.8687071502208710827) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.785886228084564098) ) ) {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.838226795196532759) ) ) {
        result[0] += -0.09461489079529697;
      } else {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)5.436487197875977451) ) ) {
          result[0] += -0.04561919167476684;
        } else {
          result[0] += 0.002604341920504529;
        }
      }
    } else {
      result[0] += 0.002604341920504529;
    }
  } else {
    if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.02853958681225777019) ) ) {
      result[0] += 0.002604341920504529;
    } else {
      if ( LIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)318.9333343505859943) ) ) {
        result[0] += 0.09365094764365409;
      } else {
        result[0] += 0.002604341920504529;
      }
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.8714431822299958386) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.785886228084564098) ) ) {
      result[0] += -0.047359204831333754;
    } else {
      if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)1.401767551898956521) ) ) {
        if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.3065377324819564264) ) ) {
          if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.43965482711792081) ) ) {
            result[0] += -0.047359204831333754;
          } else {
            result[0] += 0.014057794294119925;
          }
        } else {
          result[0] += 0.014057794294119925;
        }
      } else {
        if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03614381141960621574) ) ) {
          result[0] += 0.014057794294119925;
        } else {
          result[0] += 0.08328897253914605;
        }
      }
    }
  } else {
    result[0] += 0.08328897253914605;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.895921558141708485) ) ) {
    if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.4555594474077225287) ) ) {
      if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.616616666316985862) ) ) {
        result[0] += -0.07093861892693372;
      } else {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.06232960708439350822) ) ) {
          result[0] += -0.01789285136850811;
        } else {
          result[0] += -0.07093861892693372;
        }
      }
    } else {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.3882074356079106) ) ) {
        if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3937472850084305365) ) ) {
          result[0] += -0.01789285136850811;
        } else {
          result[0] += 0.03231387408669723;
        }
      } else {
        result[0] += 0.0675698702367703;
      }
    }
  } else {
    result[0] += 0.07988427613332086;
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)1.401767551898956521) ) ) {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.046802341938019021) ) ) {
      if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.3243640661239623468) ) ) {
        result[0] += -0.053840650632043144;
      } else {
        if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-1.270260751247405784) ) ) {
          result[0] += -0.03608537210393874;
        } else {
          if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.629531502723694292) ) ) {
            result[0] += -0.03608537210393874;
          } else {
            if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)309.8333282470703693) ) ) {
              result[0] += -0.0010118312079945737;
            } else {
              result[0] += 0.05407328412262144;
            }
          }
        }
      }
    } else {
      result[0] += 0.07354527140013577;
    }
  } else {
    result[0] += 0.07354527140013577;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.895921558141708485) ) ) {
    if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.4555594474077225287) ) ) {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.838226795196532759) ) ) {
        result[0] += -0.08475383059691446;
      } else {
        if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)283.8333282470703693) ) ) {
          result[0] += -0.00039444408329647007;
        } else {
          if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.822925567626953014) ) ) {
            result[0] += -0.08475383059691446;
          } else {
            result[0] += -0.022190418263154585;
          }
        }
      }
    } else {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.255855321884156162) ) ) {
        result[0] += -0.00039444408329647007;
      } else {
        result[0] += 0.07202977016609356;
      }
    }
  } else {
    result[0] += 0.07202977016609356;
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)1.401767551898956521) ) ) {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.046802341938019021) ) ) {
      if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.3243640661239623468) ) ) {
        result[0] += -0.04775059395156504;
      } else {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.552666068077087846) ) ) {
          result[0] += -0.04775059395156504;
        } else {
          if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.04359581321477889321) ) ) {
            if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03975435160100460746) ) ) {
              result[0] += 0.018860583965252198;
            } else {
              result[0] += -0.030929781211392077;
            }
          } else {
            result[0] += 0.04096329489395815;
          }
        }
      }
    } else {
      result[0] += 0.06726272337701804;
    }
  } else {
    result[0] += 0.06726272337701804;
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)1.401767551898956521) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.838226795196532759) ) ) {
      result[0] += -0.0801927835062138;
    } else {
      if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.8942979872226713978) ) ) {
        result[0] += -0.07737415031763244;
      } else {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.265821456909180132) ) ) {
          result[0] += -0.07737415031763244;
        } else {
          result[0] += -0.007462942234346061;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.893508195877075639) ) ) {
      if ( LIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)301.1666717529297443) ) ) {
        result[0] += -0.007462942234346061;
      } else {
        result[0] += 0.0615220623618099;
      }
    } else {
      result[0] += 0.08372648811566209;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.8714431822299958386) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.785886228084564098) ) ) {
      result[0] += -0.03245474079754296;
    } else {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.401965975761414018) ) ) {
        if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.4053335636854172308) ) ) {
          result[0] += -0.03245474079754296;
        } else {
          result[0] += 0.012729961778981653;
        }
      } else {
        if ( UNLIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.0574181769043207238) ) ) {
          result[0] += -0.0013547993694268557;
        } else {
          if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)294.2333221435547443) ) ) {
            result[0] += -0.0012682279231766352;
          } else {
            result[0] += 0.061615761779244785;
          }
        }
      }
    }
  } else {
    result[0] += 0.061615761779244785;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.895921558141708485) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.838226795196532759) ) ) {
      result[0] += -0.0755756056187436;
    } else {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)5.436487197875977451) ) ) {
        if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.594767451286315696) ) ) {
          result[0] += -0.05896032079141662;
        } else {
          if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.401965975761414018) ) ) {
            if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.4290331006050110418) ) ) {
              result[0] += -0.05896032079141662;
            } else {
              result[0] += 0.015050825260671592;
            }
          } else {
            result[0] += 0.008017793338172565;
          }
        }
      } else {
        result[0] += 0.05897674482235724;
      }
    }
  } else {
    result[0] += 0.05897674482235724;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.634368002414703591) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.785886228084564098) ) ) {
      result[0] += -0.02797849616221096;
    } else {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.401965975761414018) ) ) {
        result[0] += -0.022981098417543408;
      } else {
        if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03604334965348244407) ) ) {
          result[0] += 0.07427638011263717;
        } else {
          if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.137851476669312412) ) ) {
            result[0] += -0.021766731895445732;
          } else {
            if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.2487077116966247281) ) ) {
              result[0] += 0.005735235655021321;
            } else {
              result[0] += 0.08303666175416512;
            }
          }
        }
      }
    }
  } else {
    result[0] += 0.09315131467282975;
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)1.573027610778808816) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.838226795196532759) ) ) {
      result[0] += -0.07125045610509531;
    } else {
      if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.8942979872226713978) ) ) {
        result[0] += -0.07125045610509531;
      } else {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.366647958755493608) ) ) {
          result[0] += -0.06277812538655399;
        } else {
          result[0] += -0.00914438363875353;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.861575841903686968) ) ) {
      result[0] += -0.00914438363875353;
    } else {
      if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.4834863841533661444) ) ) {
        result[0] += 0.03890568172924828;
      } else {
        result[0] += 0.0946037214969318;
      }
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.634368002414703591) ) ) {
    if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.4204297512769698542) ) ) {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04071380011737347343) ) ) {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3997302949428558905) ) ) {
          result[0] += -0.0012979657459454156;
        } else {
          if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-1.908585488796233909) ) ) {
            result[0] += -0.10265550849690348;
          } else {
            result[0] += -0.007125964411845912;
          }
        }
      } else {
        result[0] += -0.03722212417000656;
      }
    } else {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.317098855972290927) ) ) {
        result[0] += -0.0012979657459454156;
      } else {
        result[0] += 0.0565598656043407;
      }
    }
  } else {
    result[0] += 0.08941418715735462;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.634368002414703591) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.838226795196532759) ) ) {
      result[0] += -0.0667778256321351;
    } else {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.366647958755493608) ) ) {
        result[0] += -0.06423803947184857;
      } else {
        if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.3243640661239623468) ) ) {
          result[0] += -0.020716861836716935;
        } else {
          if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.8240399062633515515) ) ) {
            if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)309.8333282470703693) ) ) {
              result[0] += -0.010682262297411637;
            } else {
              result[0] += 0.031143101666848805;
            }
          } else {
            result[0] += 0.05297176183357502;
          }
        }
      }
    }
  } else {
    result[0] += 0.0870757874796403;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.634368002414703591) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.838226795196532759) ) ) {
      result[0] += -0.063842006297861;
    } else {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.401965975761414018) ) ) {
        if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3997302949428558905) ) ) {
          result[0] += -0.063842006297861;
        } else {
          result[0] += 0.008488732077525703;
        }
      } else {
        if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.0574181769043207238) ) ) {
          if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.728756189346313921) ) ) {
            result[0] += 0.04170451820445427;
          } else {
            result[0] += -0.014366555913914636;
          }
        } else {
          result[0] += 0.04170451820445427;
        }
      }
    }
  } else {
    result[0] += 0.08477073114672141;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.634368002414703591) ) ) {
    if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.8942979872226713978) ) ) {
      result[0] += -0.0689378167958972;
    } else {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.467756986618041548) ) ) {
        result[0] += -0.04699169121109667;
      } else {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.401965975761414018) ) ) {
          if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.4053335636854172308) ) ) {
            result[0] += -0.04699169121109667;
          } else {
            result[0] += 0.014676108534762046;
          }
        } else {
          if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3997302949428558905) ) ) {
            result[0] += 0.02231195914778461;
          } else {
            result[0] += -0.043840023807085717;
          }
        }
      }
    }
  } else {
    result[0] += 0.0824897651691431;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.634368002414703591) ) ) {
    if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.8942979872226713978) ) ) {
      result[0] += -0.06538061893254539;
    } else {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.467756986618041548) ) ) {
        result[0] += -0.044053689670022385;
      } else {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.366647958755493608) ) ) {
          result[0] += -0.044053689670022385;
        } else {
          if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)5.436487197875977451) ) ) {
            if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.357260048389434592) ) ) {
              result[0] += -0.034368244917238375;
            } else {
              result[0] += 0.01021654875336583;
            }
          } else {
            result[0] += 0.06507611394722639;
          }
        }
      }
    }
  } else {
    result[0] += 0.08022591988507428;
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)1.573027610778808816) ) ) {
    if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.8942979872226713978) ) ) {
      result[0] += -0.0665452944287928;
    } else {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.265821456909180132) ) ) {
        result[0] += -0.0665452944287928;
      } else {
        if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.467756986618041548) ) ) {
          if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)297.6999969482422443) ) ) {
            result[0] += -0.0665452944287928;
          } else {
            result[0] += -0.005763662837271408;
          }
        } else {
          result[0] += -0.005763662837271408;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.861575841903686968) ) ) {
      result[0] += -0.005763662837271408;
    } else {
      result[0] += 0.07311944966495497;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.634368002414703591) ) ) {
    if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.8942979872226713978) ) ) {
      result[0] += -0.05890072058820152;
    } else {
      if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.07701190188527108627) ) ) {
        result[0] += 0.0678600183050704;
      } else {
        if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.616616666316985862) ) ) {
          result[0] += -0.040904246015735314;
        } else {
          if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.401965975761414018) ) ) {
            result[0] += -0.01850778423461584;
          } else {
            if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3997302949428558905) ) ) {
              result[0] += 0.020569760472807647;
            } else {
              result[0] += -0.040904246015735314;
            }
          }
        }
      }
    }
  } else {
    result[0] += 0.07681270435475979;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.634368002414703591) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.838226795196532759) ) ) {
      result[0] += -0.05326990975588748;
    } else {
      if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.1929443851113319675) ) ) {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.1598983183503151217) ) ) {
          if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03987476788461209037) ) ) {
            result[0] += 0.07456625257297882;
          } else {
            result[0] += -0.04764283923152402;
          }
        } else {
          result[0] += 0.07456625257297882;
        }
      } else {
        if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.037185668945312056) ) ) {
          result[0] += -0.05326990975588748;
        } else {
          result[0] += 0.0010167761873115955;
        }
      }
    }
  } else {
    result[0] += 0.07456625257297882;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.8714431822299958386) ) ) {
    if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.3243640661239623468) ) ) {
      result[0] += -0.025400582440022853;
    } else {
      if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)309.8333282470703693) ) ) {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3789602518081665594) ) ) {
          result[0] += -0.02085950113423108;
        } else {
          if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.610821723937988725) ) ) {
            result[0] += -0.025400582440022853;
          } else {
            result[0] += 0.03799267724358945;
          }
        }
      } else {
        if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.02983833104372024883) ) ) {
          result[0] += -0.025400582440022853;
        } else {
          result[0] += 0.03799267724358945;
        }
      }
    }
  } else {
    result[0] += 0.03799267724358945;
  }
  if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)1.573027610778808816) ) ) {
    if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.8942979872226713978) ) ) {
      result[0] += -0.059012097800412305;
    } else {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.265821456909180132) ) ) {
        result[0] += -0.059012097800412305;
      } else {
        if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-2.467756986618041548) ) ) {
          if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)297.6999969482422443) ) ) {
            result[0] += -0.059012097800412305;
          } else {
            result[0] += -0.004315287419874554;
          }
        } else {
          result[0] += -0.004315287419874554;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.861575841903686968) ) ) {
      result[0] += -0.004315287419874554;
    } else {
      result[0] += 0.0681034197574386;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.634368002414703591) ) ) {
    if ( LIKELY( !(data[1].missing != -1) || (data[1].fvalue <= (double)0.0574181769043207238) ) ) {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.06300599500536920028) ) ) {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3997302949428558905) ) ) {
          result[0] += -0.003310898322211427;
        } else {
          result[0] += -0.030760877920711333;
        }
      } else {
        result[0] += -0.08420700350776722;
      }
    } else {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.317098855972290927) ) ) {
        result[0] += -0.003310898322211427;
      } else {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)5.008752822875977451) ) ) {
          result[0] += 0.06999791794910018;
        } else {
          result[0] += 0.0007040416384643985;
        }
      }
    }
  } else {
    result[0] += 0.06999791794910018;
  }
  
  // Apply base_scores
  result[0] += 0;
  
  // Apply postprocessor
  if (!pred_margin) { postprocess(result); }
}

void postprocess(double* result) {
  // sigmoid
  const double alpha = (double)1;
  for (size_t i = 0; i < N_TARGET * MAX_N_CLASS; ++i) {
    result[i] = (double)(1) / ((double)(1) + exp(-alpha * result[i]));
  }
}

/* P(fake) of `count` rows of floats; NaN means missing. */
void predict_rows(const float* rows, size_t count, float* result) {
  for (size_t i = 0; i < count; ++i) {
    union Entry row[8];
    double score[N_TARGET * MAX_N_CLASS] = {0};
    for (size_t j = 0; j < 8; ++j) {
      const float value = rows[i * 8 + j];
      if (value != value) {
        row[j].missing = -1;
      } else {
        row[j].fvalue = (double)value;
      }
    }
    predict(row, 0, score);
    result[i] = (float)score[0];
  }
}
